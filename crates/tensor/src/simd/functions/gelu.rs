//! The Gaussian error linear unit.

use super::normal::tail;
use crate::simd::Simd;

/// x·Φ(x). At −∞ it is the limit, 0.
///
/// It is −t·Φ(−t) at −t, and t more than that at t.
#[inline(always)]
pub fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let tail = tail(s, x);
    // −t·w in two parts, the first exact, the second small.
    let (high, low) = (s.upper(tail.t), s.sub(tail.t, s.upper(tail.t)));
    let minus_w = s.sub(s.zero(), tail.w);
    let (high, low) = (s.mul(high, minus_w), s.mul(low, minus_w));
    let (half, factor) = (s.splat(0.5), tail.factor(s));
    let rest = s.fma(high, factor, s.mul(low, s.add(half, factor)));
    let left = s.scale_down(s.fma(high, half, rest), tail.e.n);
    s.add(s.max(s.zero(), x), left)
}

/// The derivative of x·Φ(x): Φ(x) + x·e^(−x²/2)/√(2π).
///
/// With t = |x| it is d = e^(−t²/2)·(e^(t²/2)·Φ(−t) − t/√(2π)) at −t, and 1 − d at t.
#[inline(always)]
pub fn gelu_slope<S: Simd>(s: S, x: S::V) -> S::V {
    /// 1/√(2π) in two parts, the first having twelve bits.
    const DENSITY: [f32; 2] = [0.398_925_78, 1.649_915e-5];
    let tail = tail(s, x);
    let half = s.splat(0.5);
    let f = s.fma(s.add(half, tail.f), tail.rest, tail.f);
    // Of the products with 1/√(2π) the first is exact. The small ones are added first.
    let (high, low) = (s.upper(tail.t), s.sub(tail.t, s.upper(tail.t)));
    let rest = s.fma(s.splat(-DENSITY[0]), low, s.mul(s.splat(-DENSITY[1]), tail.t));
    let rest = s.fma(s.splat(-DENSITY[0]), high, s.fma(tail.w, f, rest));
    let difference = s.fma(half, tail.w, rest);
    let e = tail.e.scaled(s);
    let d = s.scale_down(s.fma(difference, e.p, difference), e.n);
    s.select_less(x, s.zero(), d, s.sub(s.splat(1.0), d))
}
