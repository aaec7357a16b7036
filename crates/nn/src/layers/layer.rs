//! Any layer.

use std::fmt;

use serde::{Deserialize, Serialize};
use tensor::{MAX_RANK, Shape, Var};

use super::error::LayerError;
use super::kind::Kind;
use super::limits::{MAX_VALUES, count};
use super::list::kinds;
use super::parameter::{Parameter, ParameterSpec};
use super::run::{Record, Run};
use crate::kernels::finish::{Activation, Affine};
use crate::real::Real;

macro_rules! layer {
    ($($(#[$doc:meta])* $module:ident::$Kind:ident,)+) => {
        /// A layer: what it computes, without its weights. Activations are `[N, H, W, C]`, or `[N, C]` after flattening.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Layer {
            $($(#[$doc])* $Kind(super::$module::$Kind),)+
        }

        $(impl From<super::$module::$Kind> for Layer {
            fn from(kind: super::$module::$Kind) -> Self {
                Self::$Kind(kind)
            }
        })+

        impl Layer {
            /// The names of all kinds, in the order of the list.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($Kind)),+];

            /// What the layer says of itself.
            #[must_use]
            pub fn kind(&self) -> &dyn Kind {
                match self {
                    $(Self::$Kind(kind) => kind,)+
                }
            }

            #[cfg(feature = "onnx")]
            pub(crate) fn kind_mut(&mut self) -> &mut dyn Kind {
                match self {
                    $(Self::$Kind(kind) => kind,)+
                }
            }

            /// Generic: see [`Real::record`].
            pub(crate) fn record_as<T: Real>(&self, run: Run<'_, T>) -> Var<T> {
                match self {
                    $(Self::$Kind(kind) => kind.record(run),)+
                }
            }

            /// Generic: see [`Real::map_part`].
            pub(crate) fn map_part_as<T: Real>(
                &self,
                stored: &[Parameter<T>],
                shape: &Shape,
                first: usize,
                part: &mut [T],
            ) {
                match self {
                    $(Self::$Kind(kind) => kind.map_part(stored, shape, first, part),)+
                }
            }

            pub(crate) fn affine<T: Real>(&self, stored: &[Parameter<T>]) -> Option<Affine<T>> {
                match self {
                    $(Self::$Kind(kind) => kind.affine(stored),)+
                }
            }

            pub(crate) fn activation(&self) -> Option<Activation<'_>> {
                match self {
                    $(Self::$Kind(kind) => Record::activation(kind),)+
                }
            }
        }
    };
}
kinds!(layer);

impl Layer {
    /// The shape of one image's output, `[H, W, C]` or `[C]`, for inputs of such shapes.
    ///
    /// # Errors
    /// If the layer can't be applied to inputs of these shapes, or the output is too large.
    pub fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let output = self.kind().output_shape(inputs)?;
        match count(&output) {
            Some(values) if values <= MAX_VALUES && output.len() < MAX_RANK => Ok(output),
            _ => Err(LayerError::TooLarge(output)),
        }
    }

    /// The parameters and running statistics that the layer owns, for a (first) input of this shape.
    #[must_use]
    pub fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        self.kind().parameters(input)
    }
}

/// In a few words: `conv 3×3 stride 2, 64`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.kind(), f)
    }
}
