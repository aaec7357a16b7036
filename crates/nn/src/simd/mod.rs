//! Vectors of `f32` whose instruction set is chosen at run time.
//!
//! A released binary must be fast on a machine it wasn't built for. So every kernel is *one* generic body over the
//! `Simd` trait, compiled three times: for the instructions that the build enables anyway ([`Tier::Portable`], on the
//! `wide` crate), for AVX2 with FMA, and for AVX-512. Which one runs is decided once, by asking the processor, and may
//! be forced with the environment variable `GLASSBOX_SIMD=portable|avx2|avx512`.
//!
//! # How a kernel gets its instructions
//! LLVM inlines an intrinsic only into a function that has the intrinsic's target features. The features stand on one
//! thin wrapper per tier, `Simd::vectorize`, and everything between it and the intrinsics is `#[inline(always)]`: the
//! kernel's `run`, its helpers, the methods of `Simd`. A closure handed to another crate (rayon's, say) leaves that
//! function, and with it the features: parallel loops stand *outside* and each task enters `vectorize` anew.
#![allow(unsafe_code)]

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use thiserror::Error;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use avx512::Avx512;
use portable::Portable;

/// One instruction set. A value of it is a proof that the processor has it: its constructors detect.
///
/// Loads and stores need no alignment.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// `LANES` values of `f32`.
    type V: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// The tier's name, as `GLASSBOX_SIMD` spells it.
    const NAME: &'static str;
    /// Vector registers that the instruction set names: what a micro-kernel may keep its accumulators in.
    const REGISTERS: usize;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// Zero in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
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
    /// `a` where `a > b`, else `b`: so `b` where either is NaN, and `max(0, x)` is a ReLU that lets NaN through.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`, rounded once where the tier has fused multiply–add (all but portable).
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// Transposes `n` rows of `LANES` values, `from_step` values apart, into `LANES` rows of `LANES`, `to_step` values
    /// apart: value `j` of row `i` becomes value `i` of row `j`, and what the rows past the `n`th would give is zero.
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

    /// The largest lane.
    #[cfg(test)]
    fn max_lane(self, v: Self::V) -> f32 {
        let mut lanes = vec![0.0; Self::LANES];
        // SAFETY: `lanes` has LANES values.
        unsafe { self.store(lanes.as_mut_ptr(), v) };
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Asks for the cache line at `p`, which may lie anywhere: a hint that can't fault.
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: SSE belongs to x86-64, and a prefetch of any address is harmless.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
        }
        let _ = p;
    }

    /// Runs the kernel inside a function of its own, compiled with this tier's instructions.
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output;
}

/// Work that is written once for every tier. Implementations of `run` are `#[inline(always)]`.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// Does the work.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// What the build enables for every function: SSE2 on plain x86-64, NEON on ARM, and so on. 8 lanes.
    Portable,
    /// AVX2 with FMA. 8 lanes, 16 registers.
    Avx2,
    /// AVX-512F. 16 lanes, 32 registers.
    Avx512,
}

/// `GLASSBOX_SIMD` asks for what can't be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TierError {
    /// No tier has that name.
    #[error("GLASSBOX_SIMD: expected portable, avx2 or avx512, found {0:?}")]
    Unknown(String),
    /// This processor doesn't have those instructions.
    #[error("GLASSBOX_SIMD={0}: this processor has only {has}", has = available_names())]
    Unavailable(Tier),
}

impl Tier {
    const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The tiers that this processor has, slowest first. Portable is always among them.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|tier| tier.is_available())
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The tier that `GLASSBOX_SIMD` asks for, or else the fastest that this processor has.
    ///
    /// # Errors
    /// Where the variable names no tier, or one that this processor doesn't have.
    pub fn from_environment() -> Result<Self, TierError> {
        let fastest = Self::available().last().unwrap_or(Self::Portable);
        let Some(name) = std::env::var_os("GLASSBOX_SIMD") else { return Ok(fastest) };
        let forced: Self = name.to_string_lossy().parse()?;
        if forced.is_available() { Ok(forced) } else { Err(TierError::Unavailable(forced)) }
    }

    /// Its name, as `GLASSBOX_SIMD` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Tier {
    type Err = TierError;

    fn from_str(name: &str) -> Result<Self, TierError> {
        Self::ALL.into_iter().find(|tier| tier.name() == name).ok_or_else(|| TierError::Unknown(name.to_owned()))
    }
}

fn available_names() -> String {
    Tier::available().map(Tier::name).collect::<Vec<_>>().join(", ")
}

/// The tier that kernels run on, chosen at the first call.
///
/// # Panics
/// If `GLASSBOX_SIMD` asks for what can't be had; [`Tier::from_environment`] says so without a panic.
pub fn tier() -> Tier {
    static TIER: OnceLock<Tier> = OnceLock::new();
    *TIER.get_or_init(|| Tier::from_environment().unwrap_or_else(|error| panic!("{error}")))
}

/// Runs the kernel on the process's tier.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_on(tier(), kernel)
}

/// Runs plain code compiled with the process's tier's instructions, for loops that the compiler vectorizes by itself: the
/// same bits on every tier, since it never fuses a product and a sum. `f` is to be `#[inline(always)]`: what isn't inlined
/// is compiled for the build's instructions alone.
#[inline]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
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

/// Runs the kernel on that tier.
///
/// # Panics
/// If the processor doesn't have it.
#[inline]
pub(crate) fn dispatch_on<K: Kernel>(tier: Tier, kernel: K) -> K::Output {
    match tier {
        Tier::Portable => Portable.vectorize(kernel),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => Avx2::detect().expect("a processor with AVX2 and FMA").vectorize(kernel),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => Avx512::detect().expect("a processor with AVX-512").vectorize(kernel),
        #[cfg(not(target_arch = "x86_64"))]
        _ => panic!("tier {tier} exists on x86-64 only"),
    }
}
