//! AVX2 with FMA, through `std::arch`.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::*;

use super::portable::Portable;
use super::{AHEAD, BEHIND, BIAS, INTEGER, Kernel, Simd, Tier, UPPER, Unaligned};

/// AVX2 with FMA: 8 lanes, 16 registers.
///
/// A value exists only on a processor that has these instructions ([`Avx2::detect`] is the one constructor): that is what
/// makes the intrinsics below safe to call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The token, if this processor has the instructions.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

/// Eight lanes of ones, then eight of zeros: the window from lane `8 − n` on masks the first `n` lanes of a vector.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// A mask of the first `n` lanes.
///
/// # Safety
/// `n ≤ 8`.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    debug_assert!(n <= 8);
    // SAFETY: with `n ≤ 8`, eight values from `8 − n` on lie within the sixteen.
    unsafe { (*FIRST.as_ptr().add(8 - n).cast::<Unaligned<__m256i>>()).0 }
}

impl Avx2 {
    /// 2ⁿ for an integer n, whose exponent is stored as n + `bias`.
    #[inline(always)]
    fn power(self, n: __m256, bias: f32) -> __m256 {
        let n = self.add(n, self.splat(INTEGER + bias));
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(n))) }
    }
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const TIER: Tier = Tier::Avx2;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: the caller vouches for the memory, and no alignment is needed.
        unsafe { (*p.cast::<Unaligned<__m256>>()).0 }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: the caller vouches for the memory, and no alignment is needed.
        unsafe { (*p.cast::<Unaligned<__m256>>()).0 = v }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m256 {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm256_maskload_ps(p, first(n)) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: __m256, n: usize) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm256_maskstore_ps(p, first(n), v) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_sqrt_ps(a) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, a: __m256, n: __m256) -> __m256 {
        let half = self.round(self.mul(n, self.splat(0.5)));
        self.mul(self.mul(a, self.power(half, BIAS)), self.power(self.sub(n, half), BIAS))
    }

    #[inline(always)]
    fn scale_down(self, a: __m256, n: __m256) -> __m256 {
        self.mul(self.mul(a, self.power(n, BIAS + AHEAD)), self.splat(BEHIND))
    }

    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_andnot_ps(self.splat(-0.0), a) }
    }

    #[inline(always)]
    fn copysign(self, a: __m256, sign: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_or_ps(self.abs(a), _mm256_and_ps(self.splat(-0.0), sign)) }
    }

    #[inline(always)]
    fn upper(self, a: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_and_ps(a, self.splat(f32::from_bits(UPPER))) }
    }

    #[inline(always)]
    fn select_less(self, a: __m256, b: __m256, x: __m256, y: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_step: usize, n: usize, to: *mut f32, to_step: usize) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for i in 0..8 {
                if i < n {
                    rows[i] = self.load(from.add(i * from_step));
                }
            }
            // Squares of 4×4: half h of `fours[g][c]` is column 4h + c of rows 4g to 4g + 3.
            let mut fours = [[_mm256_setzero_ps(); 4]; 2];
            for g in 0..2 {
                let [a, b, c, d] = [rows[4 * g], rows[4 * g + 1], rows[4 * g + 2], rows[4 * g + 3]];
                let (ab, cd) = (_mm256_castps_pd(_mm256_unpacklo_ps(a, b)), _mm256_castps_pd(_mm256_unpacklo_ps(c, d)));
                fours[g][0] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                fours[g][1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
                let (ab, cd) = (_mm256_castps_pd(_mm256_unpackhi_ps(a, b)), _mm256_castps_pd(_mm256_unpackhi_ps(c, d)));
                fours[g][2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                fours[g][3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
            }
            for c in 0..4 {
                let [a, b] = [fours[0][c], fours[1][c]];
                self.store(to.add(c * to_step), _mm256_permute2f128_ps::<0x20>(a, b));
                self.store(to.add((4 + c) * to_step), _mm256_permute2f128_ps::<0x31>(a, b));
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
        #[target_feature(enable = "avx2,fma")]
        fn with_features<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { with_features(self, kernel) }
    }
}
