//! Whatever the build enables, through `wide`.

use wide::f32x8;

use super::{AHEAD, BEHIND, BIAS, INTEGER, Kernel, Simd, Tier, UPPER, Unaligned};

/// Eight lanes of whatever the target has: two SSE or NEON registers, one AVX register, or scalars.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

impl Portable {
    /// The token: every processor has the instructions.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        Some(Self)
    }
}

/// 2ⁿ for an integer n, whose exponent is stored as n + `bias`.
#[inline(always)]
fn power(n: f32x8, bias: f32) -> f32x8 {
    f32x8::new((n + (INTEGER + bias)).to_array().map(|n| f32::from_bits(n.to_bits() << 23)))
}

impl Simd for Portable {
    type V = f32x8;
    const LANES: usize = 8;
    const TIER: Tier = Tier::Portable;
    // Sixteen registers of four lanes.
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> f32x8 {
        f32x8::splat(x)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> f32x8 {
        // SAFETY: the caller vouches for eight values, and no alignment is needed.
        f32x8::new(unsafe { (*p.cast::<Unaligned<[f32; 8]>>()).0 })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: f32x8) {
        // SAFETY: as in `load`.
        unsafe { (*p.cast::<Unaligned<[f32; 8]>>()).0 = v.to_array() }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> f32x8 {
        debug_assert!(n <= Self::LANES);
        let mut lanes = [0.0; 8];
        // SAFETY: the caller vouches for `n ≤ 8` values.
        unsafe { p.copy_to_nonoverlapping(lanes.as_mut_ptr(), n) };
        f32x8::new(lanes)
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: f32x8, n: usize) {
        debug_assert!(n <= Self::LANES);
        // SAFETY: the caller vouches for `n ≤ 8` values.
        unsafe { p.copy_from_nonoverlapping(v.to_array().as_ptr(), n) };
    }

    #[inline(always)]
    fn add(self, a: f32x8, b: f32x8) -> f32x8 {
        a + b
    }

    #[inline(always)]
    fn sub(self, a: f32x8, b: f32x8) -> f32x8 {
        a - b
    }

    #[inline(always)]
    fn mul(self, a: f32x8, b: f32x8) -> f32x8 {
        a * b
    }

    #[inline(always)]
    fn max(self, a: f32x8, b: f32x8) -> f32x8 {
        a.simd_gt(b).select(a, b)
    }

    #[inline(always)]
    fn min(self, a: f32x8, b: f32x8) -> f32x8 {
        a.simd_lt(b).select(a, b)
    }

    #[inline(always)]
    fn div(self, a: f32x8, b: f32x8) -> f32x8 {
        a / b
    }

    #[inline(always)]
    fn sqrt(self, a: f32x8) -> f32x8 {
        a.sqrt()
    }

    #[inline(always)]
    fn fma(self, a: f32x8, b: f32x8, c: f32x8) -> f32x8 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn round(self, a: f32x8) -> f32x8 {
        // The sum has no bits for a fraction.
        (a + INTEGER) - INTEGER
    }

    #[inline(always)]
    fn scale(self, a: f32x8, n: f32x8) -> f32x8 {
        let half = self.round(n * 0.5);
        a * power(half, BIAS) * power(n - half, BIAS)
    }

    #[inline(always)]
    fn scale_down(self, a: f32x8, n: f32x8) -> f32x8 {
        a * power(n, BIAS + AHEAD) * BEHIND
    }

    #[inline(always)]
    fn abs(self, a: f32x8) -> f32x8 {
        a.abs()
    }

    #[inline(always)]
    fn copysign(self, a: f32x8, sign: f32x8) -> f32x8 {
        a.abs() | (sign & f32x8::splat(-0.0))
    }

    #[inline(always)]
    fn upper(self, a: f32x8) -> f32x8 {
        a & f32x8::splat(f32::from_bits(UPPER))
    }

    #[inline(always)]
    fn select_less(self, a: f32x8, b: f32x8, x: f32x8, y: f32x8) -> f32x8 {
        a.simd_lt(b).select(x, y)
    }

    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE belongs to x86-64, and a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) };
    }

    #[cfg(all(target_arch = "aarch64", not(miri)))]
    #[expect(clippy::pointers_in_nomem_asm_block, reason = "a prefetch reads nothing that the program sees")]
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // SAFETY: the instruction belongs to every 64-bit ARM processor, and a prefetch of any address is harmless.
        unsafe { std::arch::asm!("prfm pldl1keep, [{}]", in(reg) p, options(nomem, nostack, preserves_flags)) };
    }

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        #[inline(never)]
        fn apart<K: Kernel>(simd: Portable, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        apart(self, kernel)
    }
}
