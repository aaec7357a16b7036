//! Vectors of `f32` whose instruction set is chosen at run time.
//!
//! A released binary must be fast on a machine it wasn't built for. So every kernel is *one* generic body over the [`Simd`]
//! trait, compiled once for each [`Tier`]: for the instructions that the build enables anyway ([`Tier::Portable`], on the
//! `wide` crate), for NEON, for AVX2 with FMA, and for AVX-512. [`tier()`] decides once which one runs, by asking the processor;
//! [`use_tier`] overrides it.
//!
//! # How a kernel gets its instructions
//! LLVM inlines an intrinsic only into a function that has the intrinsic's target features. The features stand on one thin
//! wrapper for each tier, [`Simd::vectorize`], and everything between it and the intrinsics is `#[inline(always)]`: the
//! kernel's `run`, its helpers, the methods of [`Simd`]. A closure passed to another crate (rayon, say) is compiled outside
//! that function, and so without the features: parallel loops stand *outside*, and each task calls `vectorize` itself.
//!
//! # A new tier
//! is a file with a token that implements [`Simd`], and a line in the list of `tier.rs`.
//!
//! # Tests
//! The library reads no environment variable. With the feature `tier-from-env`, meant for dev-dependencies alone, [`tier()`]
//! takes the name in `GLASSBOX_SIMD`, so that `GLASSBOX_SIMD=portable cargo test` runs every test on that tier.
#![allow(unsafe_code)]

mod avx2;
mod avx512;
pub mod functions;
mod lanes;
mod line;
mod neon;
mod portable;
#[cfg(test)]
mod tests;
mod tier;
mod twice;

pub use lanes::{Lanes, Vector};
pub use line::{LINE, line};
pub use tier::{Tier, TierError, dispatch_on, tier, use_tier};
pub use twice::Twice;

/// The bits of a number without the lower twelve of the significand.
const UPPER: u32 = !0xfff;
/// 1½ · 2²³: added to an integer of at most 2²², it has the integer in its low bits.
const INTEGER: f32 = 12_582_912.0;
/// The exponent of a number, as it is stored, is larger than the exponent by this.
const BIAS: f32 = 127.0;
/// [`Simd::scale_down`] multiplies by 2ⁿ⁺⁶⁴ and then by 2⁻⁶⁴, so that only the last product is rounded: this is the 64.
const AHEAD: f32 = 64.0;
/// 2⁻⁶⁴.
const BEHIND: f32 = 1.0 / (1_u128 << 64) as f32;

/// A value at an address of any alignment. With debug assertions, the alignment of any other access is checked, and the intrinsics
/// that load and store vectors check more: a kernel would consist of checks.
#[repr(C, packed)]
struct Unaligned<V>(V);

/// One instruction set. A value of such a type is a proof that the processor has the instructions, since the only
/// constructor asks for them.
///
/// Loads and stores need no alignment beyond that of `f32`.
pub trait Simd: tier::Sealed + Copy + Send + Sync + 'static {
    /// `LANES` values of `f32`.
    type V: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// The tier that it implements.
    const TIER: Tier;
    /// The number of vector registers, which bounds the accumulators of a micro-kernel.
    const REGISTERS: usize;
    /// Whether a multiply–add takes a factor from any lane of a vector ([`fma_lane`](Self::fma_lane) is one instruction).
    const BY_LANE: bool = false;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// Zero in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
    /// The value at `p` in every lane.
    ///
    /// # Safety
    /// It is readable.
    #[inline(always)]
    unsafe fn splat_at(self, p: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the value.
        self.splat(unsafe { (*p.cast::<Unaligned<f32>>()).0 })
    }
    /// The `LANES` values at `p`.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Writes the `LANES` values at `p`.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// The first `n` values at `p`, zero in the other lanes. Never touches memory past the `n`th.
    ///
    /// # Safety
    /// `n ≤ LANES`, and the `n` values are readable.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V;
    /// Writes the first `n` lanes to `p`. Never touches memory past the `n`th.
    ///
    /// # Safety
    /// `n ≤ LANES`, and the `n` values are writable.
    unsafe fn store_first(self, p: *mut f32, v: Self::V, n: usize);

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a − b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `a > b`, else `b`: so `b` where either is NaN, and `max(0, x)` is a ReLU that keeps NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `a < b`, else `b`: so `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// √a.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a · b + c`, rounded once where the tier has fused multiply–add (all but portable).
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a[lane] · b + c`, rounded as by [`fma`](Self::fma). Where the compiler knows the lane and the tier is
    /// [`BY_LANE`](Self::BY_LANE), it is one instruction; elsewhere the lane goes through memory.
    #[inline(always)]
    fn fma_lane(self, a: Self::V, lane: usize, b: Self::V, c: Self::V) -> Self::V {
        let mut lanes = [0.0_f32; LINE];
        // SAFETY: no vector is longer than the array.
        unsafe { self.store(lanes.as_mut_ptr(), a) };
        self.fma(self.splat(lanes[..Self::LANES][lane]), b, c)
    }
    /// The integer that is nearest to `a`, the even one of two, for `|a| ≤ 2²²`. The sign of a zero may be lost.
    fn round(self, a: Self::V) -> Self::V;
    /// `a · 2ⁿ` for an integer `n` from −252 to 254. Where it is subnormal, it is rounded once if `|a| ≥ 2⁻¹⁰⁰`.
    fn scale(self, a: Self::V, n: Self::V) -> Self::V;
    /// As [`scale`](Self::scale), in fewer steps, for an integer `n` from −190 to 63 and `|a|·2ⁿ < 2⁶⁰`.
    #[inline(always)]
    fn scale_down(self, a: Self::V, n: Self::V) -> Self::V {
        self.scale(a, n)
    }
    /// `|a|`.
    fn abs(self, a: Self::V) -> Self::V;
    /// `|a|` with the sign of `sign`.
    fn copysign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// The upper twelve bits of the significand of `a`, the others being zero: the product of two such numbers is exact.
    fn upper(self, a: Self::V) -> Self::V;
    /// `x` where `a < b`, else `y`: so `y` where either is NaN.
    fn select_less(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;

    /// Transposes `n` rows of `LANES` values, `from_step` values apart, into `LANES` rows of `LANES` values, `to_step` values
    /// apart: value `j` of row `i` becomes value `i` of row `j`. The values of a result's row after the `n`th are zero.
    ///
    /// # Safety
    /// `n ≤ LANES`; the `n` rows are readable, the `LANES` rows writable, and the two don't overlap.
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_step: usize, n: usize, to: *mut f32, to_step: usize) {
        for j in 0..Self::LANES {
            for i in 0..Self::LANES {
                // SAFETY: the caller vouches for both rows.
                unsafe { *to.add(j * to_step + i) = if i < n { *from.add(i * from_step + j) } else { 0.0 } };
            }
        }
    }

    /// Asks for the cache line at `p`, which need not be readable: a hint that can't fault. By default nothing.
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        let _ = p;
    }

    /// Runs the kernel in a function that is compiled with this tier's instructions.
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output;
}

/// Work that is written once for all tiers. Implementations of `run` are `#[inline(always)]`.
pub trait Kernel {
    /// The result of the work.
    type Output;
    /// Does the work.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs the kernel on the process's tier.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_on(tier(), kernel)
}

/// Runs plain code that is compiled with the instructions of the process's tier, for loops that the compiler vectorizes. The
/// bits are the same on every tier, since the compiler never fuses a product and a sum. `f` should be `#[inline(always)]`: code
/// that isn't inlined is compiled without these instructions.
#[inline]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    struct Plain<F>(F);
    impl<R, F: FnOnce() -> R> Kernel for Plain<F> {
        type Output = R;
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    dispatch(Plain(f))
}
