//! F(2×2, 3×3): 16 products for 4 outputs, where direct convolution takes 36.

use super::scheme::{Linear, Scheme};
use tensor::simd::Simd;

/// F(2, 3) at the points 0, 1, −1, ∞.
pub(super) struct F2;

impl Scheme<4, 2> for F2 {
    type Input = Input;
    type Weights = Weights;
    type Output = Output;
    type OutputTransposed = OutputTransposed;
    type WeightsTransposed = WeightsTransposed;
}

/// `Bᵀ`.
pub(super) struct Input;
impl Linear<4, 4> for Input {
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::V; 4]) -> [S::V; 4] {
        [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[3], d[1])]
    }
}

/// `G`.
pub(super) struct Weights;
impl Linear<3, 4> for Weights {
    #[inline(always)]
    fn apply<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 4] {
        let half = s.splat(0.5);
        let even = s.mul(half, s.add(g[0], g[2]));
        let odd = s.mul(half, g[1]);
        [g[0], s.add(even, odd), s.sub(even, odd), g[2]]
    }
}

/// `Aᵀ`.
pub(super) struct Output;
impl Linear<4, 2> for Output {
    #[inline(always)]
    fn apply<S: Simd>(s: S, m: [S::V; 4]) -> [S::V; 2] {
        [s.add(s.add(m[0], m[1]), m[2]), s.add(s.sub(m[1], m[2]), m[3])]
    }
}

/// `A`.
pub(super) struct OutputTransposed;
impl Linear<2, 4> for OutputTransposed {
    #[inline(always)]
    fn apply<S: Simd>(s: S, y: [S::V; 2]) -> [S::V; 4] {
        [y[0], s.add(y[0], y[1]), s.sub(y[0], y[1]), y[1]]
    }
}

/// `Gᵀ`.
pub(super) struct WeightsTransposed;
impl Linear<4, 3> for WeightsTransposed {
    #[inline(always)]
    fn apply<S: Simd>(s: S, u: [S::V; 4]) -> [S::V; 3] {
        let half = s.splat(0.5);
        let even = s.mul(half, s.add(u[1], u[2]));
        let odd = s.mul(half, s.sub(u[1], u[2]));
        [s.add(u[0], even), odd, s.add(even, u[3])]
    }
}
