//! The hyperbolic tangent.

use super::exp::exp_scaled;
use super::polynomial::polynomial;
use crate::simd::Simd;

/// Below this, tanh x is a polynomial.
const SMALL: f32 = 0.625;

/// tanh x, by the formulas of Cody and Waite (*Software manual for the elementary functions*, 1980).
///
/// Where |x| < 0.625 it is x + x³·p(x²), with a minimax polynomial p of degree 4 (relative error of tanh x: 4.6e-9).
/// Elsewhere it is 1 − 2/(e^(2|x|) + 1) with the sign of x.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let (one, t) = (s.splat(1.0), s.abs(x));
    let z = s.mul(x, x);
    let p = polynomial(s, z, [-0.333_332_8, 0.133_314_06, -0.053_736_515, 0.020_628_167, -0.005_692_296]);
    let small = s.fma(s.mul(x, z), p, x);

    // From 10 on it is 1.
    let u = s.min(s.splat(10.0), t);
    let e = exp_scaled(s, s.add(u, u)).small_value(s);
    let large = s.sub(one, s.div(s.splat(2.0), s.add(e, one)));
    s.select_less(t, s.splat(SMALL), small, s.copysign(large, x))
}

/// tanh′ = 1 − y² for y = tanh x, as (1 − y)(1 + y), which keeps the digits where y is near ±1.
#[inline(always)]
pub fn tanh_slope<S: Simd>(s: S, y: S::V) -> S::V {
    let one = s.splat(1.0);
    s.mul(s.sub(one, y), s.add(one, y))
}
