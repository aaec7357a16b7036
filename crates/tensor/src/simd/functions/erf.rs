//! The error function.

use std::f32::consts::FRAC_2_SQRT_PI;

use super::exp::{exp_of_sum, exp_scaled};
use super::polynomial::polynomial;
use crate::simd::Simd;

/// erf x = 2/√π ∫₀ˣ e^(−t²) dt.
///
/// Where |x| < 1 it is x + x·p(x²), with a minimax polynomial p of degree 6 (relative error of erf x: 1.5e-9). Elsewhere it is
/// 1 − e^q(|x|) with the sign of x, where the polynomial q of degree 6 is near ln erfc (error of erf x: 1.1e-9). The two parts
/// are those of Cody (*Rational Chebyshev approximations for the error function*, 1969).
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    let (one, t) = (s.splat(1.0), s.abs(x));
    let p = polynomial(
        s,
        s.mul(x, x),
        [0.128_379_17, -0.376_126_26, 0.112_835_79, -0.026_853_347, 0.005_187_162, -0.000_799_785_3, 7.806_903e-5],
    );
    let small = s.fma(x, p, x);

    // From 3.95 on it is 1.
    let q = polynomial(
        s,
        s.min(s.splat(3.95), t),
        [-0.000_341_522_4, -1.127_089_1, -0.638_145, -0.103_106_45, 0.021_837_832, -0.002_947_574_2, 0.000_186_367_41],
    );
    let large = s.sub(one, exp_scaled(s, q).small_value(s));
    s.select_less(t, one, small, s.copysign(large, x))
}

/// erf′ = 2/√π · e^(−x²).
#[inline(always)]
pub fn erf_slope<S: Simd>(s: S, x: S::V) -> S::V {
    // From 11 on it is zero.
    let t = s.min(s.splat(11.0), s.abs(x));
    let (high, low) = square(s, t);
    // The logarithm of 2/√π by `FRAC_2_SQRT_PI`, which is rounded.
    const REST: f32 = -5.196_425_4e-8;
    let e = exp_of_sum(s, s.sub(s.zero(), high), s.sub(s.splat(REST), low)).scaled(s);
    let factor = s.splat(FRAC_2_SQRT_PI);
    s.scale_down(s.fma(factor, e.p, factor), e.n)
}

/// x² in two parts, the first exact, the second small: with u = `upper(x)`, x² = u² + (x − u)(x + u).
#[inline(always)]
pub(super) fn square<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let u = s.upper(x);
    (s.mul(u, u), s.mul(s.sub(x, u), s.add(x, u)))
}
