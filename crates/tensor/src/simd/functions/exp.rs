//! The exponential function.

use std::f32::consts::LOG2_E;

use super::polynomial::polynomial;
use crate::simd::Simd;

/// ln 2 in two parts (Cody and Waite, *Software manual for the elementary functions*, 1980): the first has 15 bits, and so its
/// product with an integer below 2⁹ is exact.
const LN_2: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];

/// A number as (1 + p)·2ⁿ, with p from about −0.3 to 0.42 and an integer n.
#[derive(Clone, Copy)]
pub(super) struct Scaled<V> {
    pub(super) p: V,
    pub(super) n: V,
}

impl<V> Scaled<V> {
    /// The number.
    #[inline(always)]
    pub(super) fn value<S: Simd<V = V>>(self, s: S) -> V {
        s.scale(s.add(s.splat(1.0), self.p), self.n)
    }

    /// The number, in fewer steps, if it is below 2⁶⁰ and n is at least −190.
    #[inline(always)]
    pub(super) fn small_value<S: Simd<V = V>>(self, s: S) -> V {
        s.scale_down(s.add(s.splat(1.0), self.p), self.n)
    }
}

/// A power of e as (1 + high + low)·2ⁿ, where `high` is exact.
pub(super) struct Power<V> {
    pub(super) high: V,
    pub(super) low: V,
    pub(super) n: V,
}

impl<V> Power<V> {
    /// The number with the two parts added.
    #[inline(always)]
    pub(super) fn scaled<S: Simd<V = V>>(self, s: S) -> Scaled<V> {
        Scaled { p: s.add(self.high, self.low), n: self.n }
    }
}

/// eˣ for |x| ≤ 175.
#[inline(always)]
pub(super) fn exp_scaled<S: Simd>(s: S, x: S::V) -> Scaled<S::V> {
    reduced(s, x, x, s.zero()).scaled(s)
}

/// e^(x + low) for |x| ≤ 175 and a `low` that is much smaller.
#[inline(always)]
pub(super) fn exp_of_sum<S: Simd>(s: S, x: S::V, low: S::V) -> Power<S::V> {
    reduced(s, s.add(x, low), x, low)
}

/// e^(x + low), where `sum` is x + low.
///
/// With n = sum/ln 2, rounded, and r = x − n·ln 2 + low, it is eʳ·2ⁿ, and |r| is at most ½·ln 2 and a little. There
/// eʳ = 1 + r + r²·q(r), with a minimax polynomial q of degree 4 (relative error of eʳ: 3.2e-9, a nineteenth of half an ulp).
#[inline(always)]
fn reduced<S: Simd>(s: S, sum: S::V, x: S::V, low: S::V) -> Power<S::V> {
    let n = s.round(s.mul(sum, s.splat(LOG2_E)));
    let high = s.fma(n, s.splat(-LN_2[0]), x);
    let low = s.fma(n, s.splat(-LN_2[1]), low);
    let r = s.add(high, low);
    let q = polynomial(s, r, [0.499_999_94, 0.166_665_21, 0.041_668_27, 0.008_368_68, 0.001_382_042]);
    Power { high, low: s.fma(s.mul(r, r), q, low), n }
}

/// eˣ.
///
/// The argument is bounded to where the result is neither zero nor infinite, and then reduced to |r| ≤ ½·ln 2.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.splat(-104.0), s.min(s.splat(89.0), x));
    exp_scaled(s, x).value(s)
}
