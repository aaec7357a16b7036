//! What can stand in the way of an explanation.

use nn::ModelError;
use tensor::BackwardError;
use thiserror::Error;

use crate::photo::PhotoError;

/// An explanation that can't be given.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// A layer, a class or an image shape that the model doesn't have.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A backward rule that has no meaning for this model.
    #[error(transparent)]
    Rule(#[from] BackwardError),
    /// A picture that doesn't fit the model.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The model doesn't say how a picture's bytes become its input.
    #[error("the model has no normalization, so a picture can't become its input: give a tensor, already preprocessed")]
    NoNormalization,
    /// No image at all.
    #[error("there is no image to explain")]
    NoImages,
    /// CAM on a model that doesn't end in global average pooling and one fully connected layer.
    #[error(
        "CAM needs a model that ends in global average pooling and one fully connected layer; this one ends in {found}: \
         use Grad-CAM, which gives the same map there and works on any model"
    )]
    NoGapHead {
        /// The last layers.
        found: String,
    },
    /// A layer whose output has no positions, so that there is no map of it.
    #[error(
        "the output of layer `{layer}` has no positions ({shape:?} for each image); layers that have: {}",
        spatial.join(", ")
    )]
    NotSpatial {
        /// Its name.
        layer: String,
        /// One image's output.
        shape: Vec<usize>,
        /// The layers whose outputs are `[H, W, C]`.
        spatial: Vec<String>,
    },
    /// No layer where one or more are needed.
    #[error("a mean over layers needs at least one layer")]
    NoLayers,
    /// A class number out of range.
    #[error("there is no class {class}: the model has {classes}, numbered from 0")]
    Class {
        /// The number asked for.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// Not one class for each image.
    #[error("{found} classes for {expected} images: give one class for all, or one for each image")]
    TargetLength {
        /// Images observed.
        expected: usize,
        /// Classes given.
        found: usize,
    },
    /// A target without any class.
    #[error("a target needs at least one class")]
    NoClass,
    /// A function of the logits that doesn't give one score for each image.
    #[error(
        "the target's function must turn the logits [{rows}, {classes}] into one score for each row, [{rows}]; it gave {found:?}"
    )]
    TargetShape {
        /// Rows of logits.
        rows: usize,
        /// Classes.
        classes: usize,
        /// The shape of what it gave.
        found: Vec<usize>,
    },
    /// A baseline, mask or window that doesn't fit.
    #[error("{0}")]
    Setting(String),
    /// The caller asked to stop.
    #[error("stopped after {done} of {total}")]
    Cancelled {
        /// Images run so far.
        done: usize,
        /// Images to run.
        total: usize,
    },
}
