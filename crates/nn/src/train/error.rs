//! Errors of trainings and their checkpoints.

use std::fmt;

use safetensors::SafeTensorError;
use thiserror::Error;

use super::diagnosis::Origin;
use super::ranks::RanksError;
use crate::data::DataError;
use crate::model::{FileError, ModelError, TensorError};

/// Why a training or an evaluation can't go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The images don't fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An image can't be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The images' shape isn't the model's input shape.
    #[error("the images are {found:?} (height, width, channels), the model takes {expected:?}")]
    Images {
        /// `[H, W, C]` of the model's input.
        expected: [usize; 3],
        /// `[H, W, C]` of the images.
        found: [usize; 3],
    },
    /// What is true of the images isn't what the model's scores mean.
    #[error("the images have {found}, the model gives {expected}: `ModelInfo::task` says what its scores mean")]
    Task {
        /// What the model gives.
        expected: String,
        /// What the images have.
        found: String,
    },
    /// The model's map has another size than the images.
    #[error("the masks are {found:?} (height, width), the model's maps {expected:?}")]
    MapSize {
        /// `[H, W]` of the model's map.
        expected: [usize; 2],
        /// `[H, W]` of the images.
        found: [usize; 2],
    },
    /// The last layer can't be changed to give values in other units.
    #[error(
        "the last layer, `{layer}` ({kind}), isn't a fully connected one with a bias and {values} outputs, which the training \
         of values needs"
    )]
    LastLayer {
        /// Its name.
        layer: String,
        /// What it computes.
        kind: String,
        /// Number of values.
        values: usize,
    },
    /// Weights that these images can't have.
    #[error("{what} are for {of}, and the images have {found}")]
    Weights {
        /// Which weights.
        what: &'static str,
        /// What they are for.
        of: &'static str,
        /// What the images have, or how many weights were expected.
        found: String,
    },
    /// The data has more classes than the model, or another number of labels or values.
    #[error("the images have {found} classes, the model {expected}")]
    Classes {
        /// Number of the model's classes.
        expected: usize,
        /// Number of the data's classes.
        found: usize,
    },
    /// The model has no normalization.
    #[error("the model has no normalization: give it one with `ModelInfo`")]
    NoNormalization,
    /// The set of images is empty.
    #[error("there are no images: training and evaluation need at least one")]
    Nothing,
    /// A setting is outside its range.
    #[error("{setting}: expected {expected}, found {found}")]
    Setting {
        /// The name of the field of [`Training`](super::Training).
        setting: &'static str,
        /// Its range, in words.
        expected: &'static str,
        /// Its value.
        found: f64,
    },
    /// All layers with weights are frozen.
    #[error("all layers are frozen: there is nothing to train")]
    AllFrozen,
    /// [`Trainer::keep_features`](super::Trainer::keep_features) was asked for, but the model has no trunk.
    #[error(
        "no features to keep: no frozen layer gives all that `{changing}`, the first layer that isn't frozen, and those \
         after it read; freeze a trunk with `Model::freeze_up_to`"
    )]
    NoTrunk {
        /// The first layer whose output for an image changes during training.
        changing: String,
    },
    /// The loss or a gradient is NaN or infinite.
    #[error(
        "{} became {value} in step {step} of epoch {epoch}, first in {origin}: {} (the rate was {learning_rate})",
        .origin.quantity(), .origin.advice()
    )]
    NotFinite {
        /// The loss, or the norm of the gradients.
        value: f64,
        /// The step of the whole training, from 1.
        step: usize,
        /// The epoch, from 1.
        epoch: usize,
        /// The first value in the order of computation that isn't finite.
        origin: Origin,
        /// The learning rate of the step.
        learning_rate: f64,
    },
    /// A checkpoint can't be written, or not be resumed from.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The ranks can't go on together.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// The best model can't be written.
    #[error(transparent)]
    Best(#[from] FileError),
}

/// A checkpoint that can't be written, or not be resumed from.
pub type CheckpointError = FileError<CheckpointErrorKind>;

/// What is wrong with a checkpoint.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointErrorKind {
    /// The file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not a safetensors file, or a damaged one.
    #[error("not a safetensors file, or a damaged one ({0})")]
    Safetensors(SafeTensorError),
    /// A safetensors file that isn't a checkpoint.
    #[error(
        "a safetensors file without an entry `glassbox-checkpoint` in its metadata: not a checkpoint of a training"
    )]
    NoCheckpoint,
    /// The metadata entry isn't valid JSON, or not of the format.
    #[error("what the checkpoint says of its training can't be understood: {0}; start the training again")]
    Checkpoint(serde_json::Error),
    /// Written by a version with another format.
    #[error(
        "the checkpoint's format is {found}, this version reads {expected}: start the training again, or resume it with \
         the other version"
    )]
    CheckpointFormat {
        /// The format that this version reads.
        expected: u32,
        /// The checkpoint's format.
        found: u32,
    },
    /// The checkpoint of another training.
    #[error(
        "a checkpoint of another training: {difference}: expected {expected}, found {found}; start the training again, or \
         restore what has changed"
    )]
    OtherTraining {
        /// What differs.
        difference: Difference,
        /// What this training has.
        expected: String,
        /// What the checkpoint has.
        found: String,
    },
    /// A tensor that isn't of type f32.
    #[error("tensor `{name}` holds {found}; the tensors of a checkpoint hold F32")]
    Dtype {
        /// Its name.
        name: String,
        /// Its element type.
        found: String,
    },
    /// A tensor whose values aren't finite.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The tensors aren't those of the model and the optimiser.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// What differs between a training and a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The settings, the augmentation, the class weights, or the number of images.
    Settings,
    /// The layers, class names, or preprocessing.
    Network,
    /// Which layers are frozen.
    FrozenLayers,
    /// The number of finished epochs doesn't match the history.
    Epochs,
    /// The number of steps doesn't match the number of epochs and batches.
    Steps,
    /// The epoch and batch are beyond the end of the training.
    Position,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "settings",
            Self::Network => "network",
            Self::FrozenLayers => "frozen layers",
            Self::Epochs => "number of finished epochs",
            Self::Steps => "number of steps",
            Self::Position => "position",
        })
    }
}
