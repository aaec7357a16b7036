//! What ends a training.

use thiserror::Error;

use crate::data::DataError;
use crate::model::{FileError, ModelError};

/// A training that can't go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The images don't fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An image couldn't be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Images of another shape than the model takes.
    #[error("the images are {found:?} (height, width, channels), the model takes {expected:?}")]
    Images {
        /// The model's.
        expected: [usize; 3],
        /// The images'.
        found: [usize; 3],
    },
    /// More classes in the data than scores in the model.
    #[error("the images have {found} classes, the model {expected}")]
    Classes {
        /// The model's.
        expected: usize,
        /// The images'.
        found: usize,
    },
    /// The model doesn't say how images become numbers.
    #[error("the model has no normalization: give it one with `ModelInfo`")]
    NoNormalization,
    /// No images.
    #[error("there are no images: a model learns from one at least, and is measured with one at least")]
    Nothing,
    /// A setting outside its range.
    #[error("{setting}: expected {expected}, found {found}")]
    Setting {
        /// The setting's name in [`Training`](super::Training).
        setting: &'static str,
        /// Its range, in words.
        expected: &'static str,
        /// Its value.
        found: f64,
    },
    /// Every layer with weights is frozen.
    #[error("all layers are frozen: there is nothing to train")]
    AllFrozen,
    /// Features are to be kept, but none stay the same.
    #[error(
        "no features to keep: no frozen layer gives all that `{changing}`, the first layer that isn't frozen, and those \
         after it read; freeze a trunk with `Model::freeze_up_to`"
    )]
    NoTrunk {
        /// The first layer that may give something else in each step.
        changing: String,
    },
    /// A number left the numbers.
    #[error(
        "{what} became {value} in step {step} of epoch {epoch}, first in {place}: {advice} (the rate was {learning_rate})"
    )]
    NotFinite {
        /// The loss, or the gradients.
        what: &'static str,
        /// NaN or infinite.
        value: f64,
        /// The step of the whole training, from 1.
        step: usize,
        /// The epoch, from 1.
        epoch: usize,
        /// Where it appeared first, in words.
        place: String,
        /// What to do.
        advice: &'static str,
        /// The rate at that step.
        learning_rate: f64,
    },
    /// A checkpoint that can't be written, read, or gone on from.
    #[error(transparent)]
    Checkpoint(#[from] FileError),
}
