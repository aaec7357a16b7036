//! AVX-512F, through `std::arch`.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::portable::Portable;
use super::{Kernel, Simd, Tier, UPPER, Unaligned};

/// AVX-512F: 16 lanes, 32 registers.
///
/// A value exists only on a processor that has these instructions ([`Avx512::detect`] is the one constructor): that is what
/// makes the intrinsics below safe to call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    /// The token, if this processor has the instructions.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && Avx2::detect().is_some()).then_some(Self(()))
    }
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const TIER: Tier = Tier::Avx512;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the caller vouches for the memory, and no alignment is needed.
        unsafe { (*p.cast::<Unaligned<__m512>>()).0 }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: the caller vouches for the memory, and no alignment is needed.
        unsafe { (*p.cast::<Unaligned<__m512>>()).0 = v }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m512 {
        debug_assert!(n <= Self::LANES);
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm512_maskz_loadu_ps(((1u32 << n) - 1) as __mmask16, p) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: __m512, n: usize) {
        debug_assert!(n <= Self::LANES);
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm512_mask_storeu_ps(p, ((1u32 << n) - 1) as __mmask16, v) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_sqrt_ps(a) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, a: __m512, n: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_scalef_ps(a, n) }
    }

    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_abs_ps(a) }
    }

    #[inline(always)]
    fn copysign(self, a: __m512, sign: __m512) -> __m512 {
        /// Bits of the first operand where the third has ones, of the second elsewhere.
        const SELECT: i32 = 0xe4;
        // SAFETY: the token proves that the processor has the instructions.
        unsafe {
            let [a, sign, mask] = [a, sign, self.splat(-0.0)].map(|v| _mm512_castps_si512(v));
            _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<SELECT>(sign, a, mask))
        }
    }

    #[inline(always)]
    fn upper(self, a: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(UPPER as i32))) }
    }

    #[inline(always)]
    fn select_less(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), y, x) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_step: usize, n: usize, to: *mut f32, to_step: usize) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for i in 0..16 {
                if i < n {
                    rows[i] = self.load(from.add(i * from_step));
                }
            }
            // Squares of 4×4: quarter q of `fours[g][c]` is column 4q + c of rows 4g to 4g + 3.
            let mut fours = [[_mm512_setzero_ps(); 4]; 4];
            for g in 0..4 {
                let [a, b, c, d] = [rows[4 * g], rows[4 * g + 1], rows[4 * g + 2], rows[4 * g + 3]];
                let (ab, cd) = (_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpacklo_ps(c, d)));
                fours[g][0] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                fours[g][1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                let (ab, cd) = (_mm512_castps_pd(_mm512_unpackhi_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(c, d)));
                fours[g][2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                fours[g][3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
            }
            // Then the quarters, as a square of 4×4 for each c: even ones, then odd ones of a pair.
            const EVEN: i32 = 0x88;
            const ODD: i32 = 0xdd;
            for c in 0..4 {
                let [a, b, d, e] = [fours[0][c], fours[1][c], fours[2][c], fours[3][c]];
                let even = [_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<EVEN>(d, e)];
                let odd = [_mm512_shuffle_f32x4::<ODD>(a, b), _mm512_shuffle_f32x4::<ODD>(d, e)];
                self.store(to.add(c * to_step), _mm512_shuffle_f32x4::<EVEN>(even[0], even[1]));
                self.store(to.add((4 + c) * to_step), _mm512_shuffle_f32x4::<EVEN>(odd[0], odd[1]));
                self.store(to.add((8 + c) * to_step), _mm512_shuffle_f32x4::<ODD>(even[0], even[1]));
                self.store(to.add((12 + c) * to_step), _mm512_shuffle_f32x4::<ODD>(odd[0], odd[1]));
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
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn with_features<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { with_features(self, kernel) }
    }
}
