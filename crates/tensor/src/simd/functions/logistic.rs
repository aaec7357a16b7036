//! The logistic function.

use super::exp::{Scaled, exp_scaled};
use crate::simd::Simd;

/// −|x|, but not less than where x·eˣ is nothing.
#[inline(always)]
pub(super) fn left_of_zero<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(s.splat(-120.0), s.copysign(x, s.splat(-1.0)))
}

/// σ(x) for the power e = eˣ = (1 + p)·2ⁿ, which is at most 1: nothing overflows.
///
/// Each of the forms below adds a quotient, which was rounded three times, to
/// something larger, which wasn't:
///
/// ```text
/// n < −1:    e·(1 + q) = (1 + p + q·(1 + p))·2ⁿ,    q = −e/(1 + e)
/// else:      (1 + q)·2⁻¹,                           q = −(1 − e)/(1 + e)
/// ```
#[inline(always)]
pub(super) fn logistic_scaled<S: Simd>(s: S, Scaled { p, n }: Scaled<S::V>) -> Scaled<S::V> {
    let (one, minus_one) = (s.splat(1.0), s.splat(-1.0));
    let m = s.add(one, p);
    let e = s.scale_down(m, n);
    let q = s.div(s.select_less(n, minus_one, e, s.sub(one, e)), s.sub(minus_one, e));
    Scaled { p: s.select_less(n, minus_one, s.fma(q, m, p), q), n: s.min(n, minus_one) }
}

/// σ(x) = 1/(1 + e⁻ˣ), which is 1 − σ(−x).
#[inline(always)]
pub fn logistic<S: Simd>(s: S, x: S::V) -> S::V {
    let left = logistic_scaled(s, exp_scaled(s, left_of_zero(s, x))).small_value(s);
    s.select_less(x, s.zero(), left, s.sub(s.splat(1.0), left))
}

/// σ′ = y(1 − y) for y = σ(x).
#[inline(always)]
pub fn logistic_slope<S: Simd>(s: S, y: S::V) -> S::V {
    s.mul(y, s.sub(s.splat(1.0), y))
}
