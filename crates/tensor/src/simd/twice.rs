//! Two vectors as one.

use super::tier::Sealed;
use super::{Kernel, Simd, Tier};

/// The vectors of a tier in pairs. Each operation is applied to both before the next one, so that a long chain of operations that
/// need one another's results, as in [functions](super::functions), has two independent ones at each step: a processor looks
/// ahead too few instructions to find the next vector's chain by itself.
#[derive(Clone, Copy, Debug)]
pub struct Twice<S>(pub S);

impl<S: Simd> Twice<S> {
    #[inline(always)]
    fn each(self, a: [S::V; 2], f: impl Fn(S, S::V) -> S::V) -> [S::V; 2] {
        [f(self.0, a[0]), f(self.0, a[1])]
    }

    #[inline(always)]
    fn both(self, a: [S::V; 2], b: [S::V; 2], f: impl Fn(S, S::V, S::V) -> S::V) -> [S::V; 2] {
        [f(self.0, a[0], b[0]), f(self.0, a[1], b[1])]
    }

    /// Values of the two vectors among the first `n` of both.
    #[inline(always)]
    fn split(n: usize) -> [usize; 2] {
        [n.min(S::LANES), n.saturating_sub(S::LANES)]
    }
}

impl<S: Simd> Sealed for Twice<S> {}

impl<S: Simd> Simd for Twice<S> {
    type V = [S::V; 2];
    const LANES: usize = 2 * S::LANES;
    const TIER: Tier = S::TIER;
    const REGISTERS: usize = S::REGISTERS / 2;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [self.0.splat(x); 2]
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the values of both vectors.
        unsafe { [self.0.load(p), self.0.load(p.add(S::LANES))] }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, [a, b]: Self::V) {
        // SAFETY: as in `load`.
        unsafe {
            self.0.store(p, a);
            self.0.store(p.add(S::LANES), b);
        }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V {
        let [a, b] = Self::split(n);
        // SAFETY: the caller vouches for `n` values.
        unsafe { [self.0.load_first(p, a), self.0.load_first(p.wrapping_add(S::LANES), b)] }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: Self::V, n: usize) {
        let [a, b] = Self::split(n);
        // SAFETY: as in `load_first`.
        unsafe {
            self.0.store_first(p, v[0], a);
            self.0.store_first(p.wrapping_add(S::LANES), v[1], b);
        }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(a, b, S::add)
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(a, b, S::sub)
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(a, b, S::mul)
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(a, b, S::max)
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(a, b, S::min)
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(a, b, S::div)
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        self.each(a, S::sqrt)
    }

    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        [self.0.fma(a[0], b[0], c[0]), self.0.fma(a[1], b[1], c[1])]
    }

    #[inline(always)]
    fn fma_lane(self, a: Self::V, lane: usize, b: Self::V, c: Self::V) -> Self::V {
        let (of, lane) = (a[lane / S::LANES], lane % S::LANES);
        [self.0.fma_lane(of, lane, b[0], c[0]), self.0.fma_lane(of, lane, b[1], c[1])]
    }

    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        self.each(a, S::round)
    }

    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        self.both(a, n, S::scale)
    }

    #[inline(always)]
    fn scale_down(self, a: Self::V, n: Self::V) -> Self::V {
        self.both(a, n, S::scale_down)
    }

    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        self.each(a, S::abs)
    }

    #[inline(always)]
    fn copysign(self, a: Self::V, sign: Self::V) -> Self::V {
        self.both(a, sign, S::copysign)
    }

    #[inline(always)]
    fn upper(self, a: Self::V) -> Self::V {
        self.each(a, S::upper)
    }

    #[inline(always)]
    fn select_less(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        [self.0.select_less(a[0], b[0], x[0], y[0]), self.0.select_less(a[1], b[1], x[1], y[1])]
    }

    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        self.0.prefetch(p);
    }

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        struct Within<K>(K);
        impl<K: Kernel> Kernel for Within<K> {
            type Output = K::Output;
            #[inline(always)]
            fn run<S: Simd>(self, s: S) -> K::Output {
                self.0.run(Twice(s))
            }
        }
        self.0.vectorize(Within(kernel))
    }
}
