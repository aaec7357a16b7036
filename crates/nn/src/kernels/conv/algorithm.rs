//! The algorithms, and which of them computes a pass.

use std::fmt;

use super::{columns, depthwise, direct, padded};
use crate::ConvGeometry;
use crate::kernels::pass::{Facts, Pass};
use crate::kernels::winograd;

/// Makes the enum from the list of algorithms and their facts.
macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident: $facts:path,)+) => {
        /// How a convolution is computed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Algorithm {
            $($(#[$doc])* $name,)+
        }

        impl Algorithm {
            /// Every algorithm. [`choose`] takes the first that suits a pass.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub(super) fn facts(self) -> &'static Facts {
                match self {
                    $(Self::$name => &$facts,)+
                }
            }
        }
    };
}

algorithms! {
    /// Winograd's F(2×2, 3×3), for 3×3 kernels at stride 1: 16 products for 36.
    Winograd2: winograd::TWO,
    /// Winograd's F(4×4, 3×3), for 3×3 kernels at stride 1: 36 products for 144, and about twice direct's error.
    Winograd4: winograd::FOUR,
    /// One kernel for each channel: vectors run over channels.
    Depthwise: depthwise::FACTS,
    /// The input gradient towards few channels: products that end in pixels, added up afterwards.
    Columns: columns::FACTS,
    /// Few input channels: a padded copy whose kernel rows are contiguous.
    Padded: padded::FACTS,
    /// A product whose left operand is read in place, pixel by pixel; with a 1×1 kernel, a plain matrix product.
    Direct: direct::FACTS,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.facts().name)
    }
}

impl Algorithm {
    /// Whether it can compute that pass of that convolution.
    #[must_use]
    pub fn supports(self, g: &ConvGeometry, pass: Pass) -> bool {
        let facts = self.facts();
        let has = match pass {
            Pass::Forward => facts.forward.is_some(),
            Pass::InputGradient => facts.input_gradient.is_some(),
            Pass::WeightGradient => facts.weight_gradient.is_some(),
        };
        has && (facts.supports)(g)
    }
}

/// The algorithm for a pass: a function of one image's geometry and the channels, never of the batch.
#[must_use]
pub fn choose(g: &ConvGeometry, pass: Pass) -> Algorithm {
    let suits = |algorithm: &&Algorithm| algorithm.supports(g, pass) && (algorithm.facts().suits)(g, pass);
    Algorithm::ALL.iter().find(suits).copied().unwrap_or(Algorithm::Direct)
}
