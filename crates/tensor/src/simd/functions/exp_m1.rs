//! The exponential function minus one.

use super::exp::exp_scaled;
use crate::simd::Simd;

/// eˣ − 1, to the last digit near 0 too.
///
/// With eˣ = (1 + p)·2ⁿ it is (2ⁿ − 1) + 2ⁿ·p, where n is at most 127: if it was 128, the power is (1 + (1 + 2p))·2¹²⁷.
#[inline(always)]
pub fn exp_m1<S: Simd>(s: S, x: S::V) -> S::V {
    let (one, most) = (s.splat(1.0), s.splat(127.0));
    let e = exp_scaled(s, s.max(s.splat(-104.0), s.min(s.splat(89.0), x)));
    let p = s.select_less(most, e.n, s.add(one, s.add(e.p, e.p)), e.p);
    let power = s.scale(one, s.min(e.n, most));
    s.fma(power, p, s.sub(power, one))
}
