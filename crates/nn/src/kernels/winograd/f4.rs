//! F(4×4, 3×3): 36 products for 16 outputs, where direct convolution takes 144.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::scheme::{Linear, Scheme};
use tensor::simd::Simd;

/// F(4, 3) at the points 0, ±√½, ±√2, ∞.
pub(super) struct F4;

impl Scheme<6, 4> for F4 {
    type Input = Input;
    type Weights = Weights;
    type Output = Output;
    type OutputTransposed = OutputTransposed;
    type WeightsTransposed = WeightsTransposed;
}

// p = √½ and q = √2, so p² = ½, q² = 2, p·q = 1; the rows of G at them are
// (1, ±p, p²) / (2p²(p² − q²)) = −⅔·(1, ±p, ½) and (1, ±q, q²) / (2q²(q² − p²)) = ⅙·(1, ±q, 2).
const P: f32 = FRAC_1_SQRT_2;
const Q: f32 = SQRT_2;
const GP: f32 = -2.0 / 3.0;
const GQ: f32 = 1.0 / 6.0;

/// `Bᵀ`.
pub(super) struct Input;
impl Linear<6, 6> for Input {
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
        // (t² − ½)(t² − 2) = t⁴ − 5/2·t² + 1, and at ±p the factor t² − 2 times t ± p, at ±q t² − ½ times t ± q.
        let k = s.splat(-2.5);
        let even_p = s.fma(s.splat(-2.0), d[2], d[4]);
        let odd_p = s.fma(s.splat(-2.0), d[1], d[3]);
        let even_q = s.fma(s.splat(-0.5), d[2], d[4]);
        let odd_q = s.fma(s.splat(-0.5), d[1], d[3]);
        [
            s.fma(k, d[2], s.add(d[0], d[4])),
            s.fma(s.splat(P), odd_p, even_p),
            s.fma(s.splat(-P), odd_p, even_p),
            s.fma(s.splat(Q), odd_q, even_q),
            s.fma(s.splat(-Q), odd_q, even_q),
            s.fma(k, d[3], s.add(d[1], d[5])),
        ]
    }
}

/// `G`.
pub(super) struct Weights;
impl Linear<3, 6> for Weights {
    #[inline(always)]
    fn apply<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6] {
        let even_p = s.fma(s.splat(GP / 2.0), g[2], s.mul(s.splat(GP), g[0]));
        let odd_p = s.mul(s.splat(GP * P), g[1]);
        let even_q = s.fma(s.splat(GQ * 2.0), g[2], s.mul(s.splat(GQ), g[0]));
        let odd_q = s.mul(s.splat(GQ * Q), g[1]);
        [g[0], s.add(even_p, odd_p), s.sub(even_p, odd_p), s.add(even_q, odd_q), s.sub(even_q, odd_q), g[2]]
    }
}

/// `Aᵀ`.
pub(super) struct Output;
impl Linear<6, 4> for Output {
    #[inline(always)]
    fn apply<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
        let (sum_p, diff_p) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (sum_q, diff_q) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        [
            s.add(s.add(m[0], sum_p), sum_q),
            s.fma(s.splat(P), diff_p, s.mul(s.splat(Q), diff_q)),
            s.fma(s.splat(0.5), sum_p, s.mul(s.splat(2.0), sum_q)),
            s.fma(s.splat(P / 2.0), diff_p, s.fma(s.splat(Q * 2.0), diff_q, m[5])),
        ]
    }
}

/// `A`.
pub(super) struct OutputTransposed;
impl Linear<4, 6> for OutputTransposed {
    #[inline(always)]
    fn apply<S: Simd>(s: S, y: [S::V; 4]) -> [S::V; 6] {
        let even_p = s.fma(s.splat(0.5), y[2], y[0]);
        let odd_p = s.fma(s.splat(0.5), y[3], y[1]);
        let even_q = s.fma(s.splat(2.0), y[2], y[0]);
        let odd_q = s.fma(s.splat(2.0), y[3], y[1]);
        [
            y[0],
            s.fma(s.splat(P), odd_p, even_p),
            s.fma(s.splat(-P), odd_p, even_p),
            s.fma(s.splat(Q), odd_q, even_q),
            s.fma(s.splat(-Q), odd_q, even_q),
            y[3],
        ]
    }
}

/// `Gᵀ`.
pub(super) struct WeightsTransposed;
impl Linear<6, 3> for WeightsTransposed {
    #[inline(always)]
    fn apply<S: Simd>(s: S, u: [S::V; 6]) -> [S::V; 3] {
        let (sum_p, diff_p) = (s.add(u[1], u[2]), s.sub(u[1], u[2]));
        let (sum_q, diff_q) = (s.add(u[3], u[4]), s.sub(u[3], u[4]));
        [
            s.fma(s.splat(GP), sum_p, s.fma(s.splat(GQ), sum_q, u[0])),
            s.fma(s.splat(GP * P), diff_p, s.mul(s.splat(GQ * Q), diff_q)),
            s.fma(s.splat(GP / 2.0), sum_p, s.fma(s.splat(GQ * 2.0), sum_q, u[5])),
        ]
    }
}
