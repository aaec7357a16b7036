//! The sigmoid linear unit.

use super::exp::exp_scaled;
use super::logistic::{left_of_zero, logistic_scaled};
use crate::simd::Simd;

/// x·σ(x). At −∞ it is the limit, 0.
///
/// It is −t·σ(−t) at −t, and t more than that at t. Far to the left σ(x) is subnormal, or zero, where x·σ(x) isn't yet: the
/// power of two is multiplied last.
#[inline(always)]
pub fn silu<S: Simd>(s: S, x: S::V) -> S::V {
    let left = left_of_zero(s, x);
    let sigma = logistic_scaled(s, exp_scaled(s, left));
    s.add(s.max(s.zero(), x), s.scale_down(s.fma(left, sigma.p, left), sigma.n))
}

/// The derivative of x·σ(x): σ(x)·(1 + x·(1 − σ(x))).
///
/// With t = |x| it is d = σ(−t)·(1 − t·σ(t)) = σ(−t)·(1 − t + t·σ(−t)) at −t, and 1 − d at t.
#[inline(always)]
pub fn silu_slope<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let left = left_of_zero(s, x);
    let sigma = logistic_scaled(s, exp_scaled(s, left));
    let factor = s.sub(s.add(one, left), s.mul(left, sigma.small_value(s)));
    let d = s.scale_down(s.fma(factor, sigma.p, factor), sigma.n);
    s.select_less(x, s.zero(), d, s.sub(one, d))
}
