//! The softplus function.

use super::exp::exp_scaled;
use super::exp_m1;
use super::logistic::left_of_zero;
use super::polynomial::polynomial;
use crate::simd::Simd;

/// ln(1 + eˣ) = max(x, 0) + ln(1 + z) with z = e^−|x|: nothing overflows.
///
/// ln(1 + z) = ½·z + z·(½ + z·q(z)) with a minimax polynomial q of degree 8 (relative error of the logarithm: 5.3e-9).
#[inline(always)]
pub fn softplus<S: Simd>(s: S, x: S::V) -> S::V {
    let z = exp_scaled(s, left_of_zero(s, x)).small_value(s);
    let q = polynomial(
        s,
        z,
        [
            -0.499_999_3,
            0.333_304_64,
            -0.249_580_2,
            0.196_921_21,
            -0.153_449_77,
            0.106_613_71,
            -0.057_460_483,
            0.020_088_46,
            -0.003_291_074_2,
        ],
    );
    let half = s.splat(0.5);
    s.add(s.max(s.zero(), x), s.fma(z, s.fma(z, q, half), s.mul(half, z)))
}

/// The derivative 1 − e⁻ʸ for y = ln(1 + eˣ).
#[inline(always)]
pub fn softplus_slope<S: Simd>(s: S, y: S::V) -> S::V {
    s.sub(s.zero(), exp_m1(s, s.sub(s.zero(), y)))
}
