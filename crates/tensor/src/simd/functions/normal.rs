//! The tail of the standard normal distribution.

use super::erf::square;
use super::exp::{Power, exp_of_sum};
use super::polynomial::polynomial;
use crate::simd::Simd;

/// Left of −`FAR`, Φ(x) and x·Φ′(x) are nothing.
const FAR: f32 = 15.0;

/// Φ(−t) = e^(−t²/2)·w·(1 + rest)·(½ + f). No part has lost a digit.
pub(super) struct Tail<V> {
    /// The argument, bounded.
    pub(super) t: V,
    /// e^(−t²/2).
    pub(super) e: Power<V>,
    /// About 1/(t + 3/2), to twelve bits.
    pub(super) w: V,
    /// What is missing: w·(1 + rest) = 1/(t + 3/2).
    pub(super) rest: V,
    /// From −0.1 to 0.25.
    pub(super) f: V,
}

impl<V: Copy> Tail<V> {
    /// Φ(−t)·2⁻ⁿ/w − ½.
    #[inline(always)]
    pub(super) fn factor<S: Simd<V = V>>(&self, s: S) -> V {
        let Self { e, rest, f, .. } = self;
        let sum = s.add(s.splat(0.5), *f);
        // (½ + f)·(1 + high + low)·(1 + rest) − ½, from the small terms to the large.
        let small = s.add(e.low, s.fma(s.add(e.high, e.low), *rest, *rest));
        s.fma(sum, e.high, s.fma(sum, small, *f))
    }
}

/// Φ(−|x|).
///
/// e^(t²/2)·Φ(−t)·(t + c) is a slowly varying function of 1/(t + c), as in Shepherd and Laframboise (*Chebyshev approximation
/// of (1 + 2x)·exp(x²)·erfc x in 0 ≤ x < ∞*, 1981). With c = 3/2 it is ½ + f, where f is a minimax polynomial in
/// 5/16 − 1/(t + c) of degree 11 (relative error of the sum: 8.7e-9).
#[inline(always)]
pub(super) fn tail<S: Simd>(s: S, x: S::V) -> Tail<S::V> {
    let (one, c) = (s.splat(1.0), s.splat(1.5));
    let t = s.min(s.splat(FAR), s.abs(x));
    let (high, low) = square(s, t);
    let minus_half = s.splat(-0.5);
    let e = exp_of_sum(s, s.mul(minus_half, high), s.mul(minus_half, low));

    let d = s.add(t, c);
    let w = s.upper(s.div(one, d));
    // 1 − w·(t + c), the sum being `upper(d)` and what that and the addition have lost: each product is exact, or small.
    let minus_w = s.sub(s.zero(), w);
    let lost = s.add(s.sub(d, s.upper(d)), s.sub(t, s.sub(d, c)));
    let rest = s.fma(minus_w, lost, s.fma(minus_w, s.upper(d), one));
    let rest = s.fma(rest, rest, rest);

    let f = polynomial(
        s,
        s.fma(minus_w, rest, s.sub(s.splat(0.3125), w)),
        [
            0.104_928_34,
            -0.606_177_57,
            -0.483_458_16,
            0.606_133_34,
            1.516_551_9,
            0.689_573_2,
            -2.726_152_7,
            -6.956_671,
            -5.194_698_3,
            11.404_302,
            32.855_39,
            25.644_142,
        ],
    );
    Tail { t, e, w, rest, f }
}
