//! Whatever the build enables, through `wide`.

use wide::f32x8;

use super::{Kernel, Simd};

/// Eight lanes of whatever the target has: two SSE or NEON registers, one AVX register, or scalars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Simd for Portable {
    type V = f32x8;
    type Mask = f32x8;
    const LANES: usize = 8;
    const NAME: &'static str = "portable";
    // Sixteen registers of four lanes.
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> f32x8 {
        f32x8::splat(x)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> f32x8 {
        // SAFETY: the caller vouches for eight values; an array of `f32` needs no more alignment than they have.
        f32x8::new(unsafe { p.cast::<[f32; 8]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: f32x8) {
        // SAFETY: as in `load`.
        unsafe { p.cast::<[f32; 8]>().write(v.to_array()) }
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
    fn div(self, a: f32x8, b: f32x8) -> f32x8 {
        a / b
    }

    #[inline(always)]
    fn min(self, a: f32x8, b: f32x8) -> f32x8 {
        b.simd_gt(a).select(a, b)
    }

    #[inline(always)]
    fn max(self, a: f32x8, b: f32x8) -> f32x8 {
        a.simd_gt(b).select(a, b)
    }

    #[inline(always)]
    fn fma(self, a: f32x8, b: f32x8, c: f32x8) -> f32x8 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn sqrt(self, a: f32x8) -> f32x8 {
        a.sqrt()
    }

    #[inline(always)]
    fn abs(self, a: f32x8) -> f32x8 {
        a.abs()
    }

    #[inline(always)]
    fn round(self, a: f32x8) -> f32x8 {
        // 1.5·2²³ pushes a fraction out of the mantissa, halves to even; from 2²² on, what has no fraction stays.
        let magic = f32x8::splat(12_582_912.0);
        let sign = a & f32x8::splat(-0.0);
        f32x8::splat(4_194_304.0).simd_gt(a.abs()).select(((a + magic) - magic) | sign, a)
    }

    #[inline(always)]
    fn exp2_whole(self, n: f32x8) -> f32x8 {
        // The exponent field of a float is n + 127.
        let bits: wide::i32x8 = (n.fast_round_int() + wide::i32x8::splat(127)) << 23;
        f32x8::new(bits.to_array().map(|b| f32::from_bits(b.cast_unsigned())))
    }

    #[inline(always)]
    fn gt(self, a: f32x8, b: f32x8) -> f32x8 {
        a.simd_gt(b)
    }

    #[inline(always)]
    fn select(self, mask: f32x8, a: f32x8, b: f32x8) -> f32x8 {
        mask.select(a, b)
    }

    #[inline(always)]
    fn sum(self, v: f32x8) -> f32 {
        let [a, b, c, d, e, f, g, h] = v.to_array();
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    fn max_lane(self, v: f32x8) -> f32 {
        v.to_array().into_iter().fold(f32::NEG_INFINITY, f32::max)
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
