//! The approximation of the Gaussian error linear unit by a hyperbolic tangent.

use super::erf::square;
use super::exp::{Power, exp_of_sum};
use super::logistic::logistic_scaled;
use crate::simd::Simd;

/// x·σ(v) with v = x·(A + B·x²), which is x·½·(1 + tanh(v/2)) with v/2 = √(2/π)·(x + 0.044715·x³). At −∞ it is the limit, 0.
///
/// It is −t·σ(−v) at −t, and t more than that at t. An error of v is a relative error of σ(−v): v is computed in two parts.
#[inline(always)]
pub fn gelu_tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let t = bounded(s, x);
    let sigma = logistic_scaled(s, inner(s, t).scaled(s));
    let minus_t = s.sub(s.zero(), t);
    s.add(s.max(s.zero(), x), s.scale_down(s.fma(minus_t, sigma.p, minus_t), sigma.n))
}

/// The derivative of x·σ(v): σ(v)·(1 + x·v′·(1 − σ(v))), where v′ = A + 3B·x².
///
/// With t = |x| and z = t·v′ it is d = σ(−v)·(1 − z·σ(v)) = σ(−v)·(1 − z + z·σ(−v)) at −t, and 1 − d at t.
#[inline(always)]
pub fn gelu_tanh_slope<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let t = bounded(s, x);
    let sigma = logistic_scaled(s, inner(s, t).scaled(s));
    let z = s.mul(t, s.fma(s.splat(3.0 * (B[0] + B[1])), s.mul(t, t), s.splat(A[0] + A[1])));
    let factor = s.fma(z, sigma.small_value(s), s.sub(one, z));
    let d = s.scale_down(s.fma(factor, sigma.p, factor), sigma.n);
    s.select_less(x, s.zero(), d, s.sub(one, d))
}

/// 2·√(2/π) in two parts, the first having twelve bits.
const A: [f32; 2] = [1.595_703_1, 6.599_66e-5];
/// 0.044715 times that number, split in the same way.
const B: [f32; 2] = [0.071_350_1, 4.718_616_4e-6];

/// |x|, but not more than where x·σ(v) is nothing.
#[inline(always)]
fn bounded<S: Simd>(s: S, x: S::V) -> S::V {
    s.min(s.splat(11.0), s.abs(x))
}

/// e^−v for v = t·(A + B·t²).
#[inline(always)]
fn inner<S: Simd>(s: S, t: S::V) -> Power<S::V> {
    let (high, low) = square(s, t);
    // −A − B·t² as the twelve bits of `w`, and what they lack. The product of first parts is exact.
    let (minus_a, minus_b) = (s.splat(-A[0] - A[1]), s.splat(-B[0] - B[1]));
    let w = s.upper(s.fma(minus_b, high, minus_a));
    let twelve = s.upper(high);
    let large = s.fma(s.splat(-B[0]), twelve, s.sub(s.splat(-A[0]), w));
    let small = s.fma(s.splat(-B[1]), twelve, s.splat(-A[1]));
    let lacking = s.add(large, s.fma(minus_b, s.add(s.sub(high, twelve), low), small));
    let u = s.upper(t);
    exp_of_sum(s, s.mul(u, w), s.fma(s.sub(t, u), w, s.mul(t, lacking)))
}
