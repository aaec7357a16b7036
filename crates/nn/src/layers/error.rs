//! What can be wrong with a layer.

use std::fmt;

use thiserror::Error;

use super::limits::MAX_VALUES;
use crate::geometry::GeometryError;

/// A layer that can't be applied to its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Another number of inputs.
    #[error("takes {expected}, found {found}")]
    Inputs {
        /// The number in words.
        expected: &'static str,
        /// Inputs given.
        found: usize,
    },
    /// Another shape.
    #[error("expected an input {expected}, found {found:?}")]
    Shape {
        /// The shapes that fit, in words.
        expected: &'static str,
        /// The shape given, without N.
        found: Vec<usize>,
    },
    /// Windows that don't fit.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A setting outside its range.
    #[error("{setting} is {found}; expected {expected}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The range, in words.
        expected: &'static str,
    },
    /// An output of too many values.
    #[error("the output {0:?} is too large: the limit is {MAX_VALUES} values")]
    TooLarge(Vec<usize>),
    /// Too many values between input and output, such as the input's with its padding.
    #[error("the intermediate values {found:?} are too many: the limit is {limit} values")]
    Intermediate {
        /// Their shape.
        found: [usize; 3],
        /// The limit for this input and output.
        limit: usize,
    },
}

impl LayerError {
    pub(crate) fn shape(expected: &'static str, found: &[usize]) -> Self {
        Self::Shape { expected, found: found.to_vec() }
    }

    /// An error unless a setting is within its range.
    pub(crate) fn unless(
        is_within: bool,
        setting: &'static str,
        found: impl fmt::Debug,
        expected: &'static str,
    ) -> Result<(), Self> {
        if is_within { Ok(()) } else { Err(Self::Setting { setting, found: format!("{found:?}"), expected }) }
    }
}
