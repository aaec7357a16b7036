//! The instruction sets that kernels are compiled for, and the choice among them.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use thiserror::Error;

use super::{Kernel, Simd};

pub trait Sealed {}

/// Lists the tiers, slowest first, each as `Token in module if "architecture"`; the module's name is the tier's. A tier whose
/// architecture isn't the target's has a name, but is never available.
macro_rules! tiers {
    ($($(#[$doc:meta])+ $Token:ident in $module:ident $(if $arch:literal)?,)+) => {
        /// An instruction set that kernels are compiled for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Tier {
            $($(#[$doc])+ $Token,)+
        }

        impl Tier {
            /// All tiers, slowest first.
            pub const ALL: [Self; [$(stringify!($Token)),+].len()] = [$(Self::$Token),+];

            /// Whether this processor has it.
            #[must_use]
            pub fn is_available(self) -> bool {
                match self {
                    $($(#[cfg(target_arch = $arch)])? Self::$Token => super::$module::$Token::detect().is_some(),)+
                    #[allow(unreachable_patterns)]
                    _ => false,
                }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Token => stringify!($module),)+
                }
            }
        }

        $($(#[cfg(target_arch = $arch)])? impl Sealed for super::$module::$Token {})+

        /// Runs the kernel on that tier.
        ///
        /// # Panics
        /// If the processor doesn't have it.
        #[inline]
        pub fn dispatch_on<K: Kernel>(tier: Tier, kernel: K) -> K::Output {
            match tier {
                $($(#[cfg(target_arch = $arch)])?
                Tier::$Token => super::$module::$Token::detect().unwrap_or_else(|| missing(tier)).vectorize(kernel),)+
                #[allow(unreachable_patterns)]
                _ => missing(tier),
            }
        }
    };
}

tiers! {
    /// What the build enables for every function: SSE2 on plain x86-64, NEON on ARM, and so on. 8 lanes.
    Portable in portable,
    /// NEON of 64-bit ARM. 4 lanes, 32 registers.
    Neon in neon if "aarch64",
    /// AVX2 with FMA. 8 lanes, 16 registers.
    Avx2 in avx2 if "x86_64",
    /// AVX-512F. 16 lanes, 32 registers.
    Avx512 in avx512 if "x86_64",
}

/// A tier that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TierError {
    /// No tier has that name.
    #[error("expected {expected}, found {0:?}", expected = names(&Tier::ALL, " or "))]
    Unknown(String),
    /// This processor doesn't have those instructions.
    #[error("this processor has only {has}", has = names(&Tier::available().collect::<Vec<_>>(), ", "))]
    Unavailable(Tier),
    /// Kernels already run on another tier.
    #[error("kernels already run on {0}")]
    Decided(Tier),
}

impl Tier {
    /// The tiers that this processor has, slowest first. Portable is always among them.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|tier| tier.is_available())
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

/// The names, separated by commas, the last two by `last`.
fn names(tiers: &[Tier], last: &str) -> String {
    let names: Vec<_> = tiers.iter().map(|tier| tier.name()).collect();
    match names.split_last() {
        Some((end, rest)) if !rest.is_empty() => rest.join(", ") + last + end,
        _ => names.concat(),
    }
}

#[cold]
fn missing(tier: Tier) -> ! {
    panic!("this processor doesn't have {tier}")
}

/// The process's tier, once it is decided.
static TIER: OnceLock<Tier> = OnceLock::new();

/// The tier that kernels run on: the one given to [`use_tier`], or else the fastest that this processor has. The first call
/// decides for the whole process.
pub fn tier() -> Tier {
    *TIER.get_or_init(default_tier)
}

/// Makes all kernels of this process run on `tier`. To be called before the first of them runs.
///
/// # Errors
/// If this processor doesn't have the tier, or kernels already run on another.
pub fn use_tier(tier: Tier) -> Result<(), TierError> {
    if !tier.is_available() {
        return Err(TierError::Unavailable(tier));
    }
    let decided = *TIER.get_or_init(|| tier);
    if decided == tier { Ok(()) } else { Err(TierError::Decided(decided)) }
}

fn fastest() -> Tier {
    Tier::available().last().unwrap_or(Tier::Portable)
}

#[cfg(not(any(test, feature = "tier-from-env")))]
fn default_tier() -> Tier {
    fastest()
}

/// The tier that the tests were started for.
#[cfg(any(test, feature = "tier-from-env"))]
fn default_tier() -> Tier {
    std::env::var("GLASSBOX_SIMD").map_or_else(|_| fastest(), |name| name.parse().expect("GLASSBOX_SIMD names a tier"))
}
