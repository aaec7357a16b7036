//! NEON (Advanced SIMD) of 64-bit ARM, through `std::arch`.
#![cfg(target_arch = "aarch64")]

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::portable::Portable;
use super::{AHEAD, BEHIND, BIAS, INTEGER, Kernel, Simd, Tier, UPPER, Unaligned};

/// NEON: 4 lanes, 32 registers.
///
/// A value exists only on a processor that has these instructions ([`Neon::detect`] is the one constructor): that is what
/// makes the intrinsics below safe to call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neon(());

impl Neon {
    /// The token, if this processor has the instructions.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl Neon {
    /// 2ⁿ for an integer n, whose exponent is stored as n + `bias`.
    #[inline(always)]
    fn power(self, n: float32x4_t, bias: f32) -> float32x4_t {
        let n = self.add(n, self.splat(INTEGER + bias));
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<23>(vreinterpretq_u32_f32(n))) }
    }
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const TIER: Tier = Tier::Neon;
    const REGISTERS: usize = 32;
    const BY_LANE: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for the memory, and no alignment is needed.
        unsafe { (*p.cast::<Unaligned<float32x4_t>>()).0 }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller vouches for the memory, and no alignment is needed.
        unsafe { (*p.cast::<Unaligned<float32x4_t>>()).0 = v }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> float32x4_t {
        debug_assert!(n <= Self::LANES);
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let zero = self.zero();
            match n {
                0 => zero,
                1 => vld1q_lane_f32::<0>(p, zero),
                2 => vcombine_f32(vld1_f32(p), vget_low_f32(zero)),
                3 => vcombine_f32(vld1_f32(p), vld1_lane_f32::<0>(p.add(2), vget_low_f32(zero))),
                _ => self.load(p),
            }
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: float32x4_t, n: usize) {
        debug_assert!(n <= Self::LANES);
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            match n {
                0 => (),
                1 => vst1q_lane_f32::<0>(p, v),
                2 => vst1_f32(p, vget_low_f32(v)),
                3 => {
                    vst1_f32(p, vget_low_f32(v));
                    vst1q_lane_f32::<2>(p.add(2), v);
                }
                _ => self.store(p, v),
            }
        }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // `fmax` returns NaN where either is NaN, and +0 of two zeros.
        self.select_less(b, a, a, b)
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.select_less(a, b, a, b)
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vsqrtq_f32(a) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn fma_lane(self, a: float32x4_t, lane: usize, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        debug_assert!(lane < Self::LANES);
        // SAFETY: the token proves that the processor has the instructions.
        unsafe {
            match lane {
                0 => vfmaq_laneq_f32::<0>(c, b, a),
                1 => vfmaq_laneq_f32::<1>(c, b, a),
                2 => vfmaq_laneq_f32::<2>(c, b, a),
                _ => vfmaq_laneq_f32::<3>(c, b, a),
            }
        }
    }

    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vrndnq_f32(a) }
    }

    #[inline(always)]
    fn scale(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        let half = self.round(self.mul(n, self.splat(0.5)));
        self.mul(self.mul(a, self.power(half, BIAS)), self.power(self.sub(n, half), BIAS))
    }

    #[inline(always)]
    fn scale_down(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        self.mul(self.mul(a, self.power(n, BIAS + AHEAD)), self.splat(BEHIND))
    }

    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vabsq_f32(a) }
    }

    #[inline(always)]
    fn copysign(self, a: float32x4_t, sign: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vbslq_f32(vreinterpretq_u32_f32(self.splat(-0.0)), sign, a) }
    }

    #[inline(always)]
    fn upper(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(UPPER))) }
    }

    #[inline(always)]
    fn select_less(self, a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { vbslq_f32(vcltq_f32(a, b), x, y) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_step: usize, n: usize, to: *mut f32, to_step: usize) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let mut rows = [self.zero(); 4];
            for i in 0..4 {
                if i < n {
                    rows[i] = self.load(from.add(i * from_step));
                }
            }
            // Pairs of values of rows that are two apart, then of all four.
            let [a, b, c, d] = rows;
            let (ac, bd) = ([vzip1q_f32(a, c), vzip2q_f32(a, c)], [vzip1q_f32(b, d), vzip2q_f32(b, d)]);
            for half in 0..2 {
                self.store(to.add(2 * half * to_step), vzip1q_f32(ac[half], bd[half]));
                self.store(to.add((2 * half + 1) * to_step), vzip2q_f32(ac[half], bd[half]));
            }
        }
    }

    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        Portable.prefetch(p);
    }

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        #[inline(never)]
        #[target_feature(enable = "neon")]
        fn with_features<K: Kernel>(simd: Neon, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { with_features(self, kernel) }
    }
}
