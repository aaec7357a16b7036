//! Errors. Each message contains its cause, so [`source`](std::error::Error::source) is always `None`.

use nn::ModelError;
use nn::data::photo::PhotoError;
use tensor::BackwardError;
use thiserror::Error;

use crate::rules::Refusal;

/// The reason why an explanation failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// A layer, a class or an image shape that doesn't fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A backward rule that can't be applied to the model.
    #[error(transparent)]
    Rule(#[from] BackwardError),
    /// An operation without a formula for the full gradient.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A picture that doesn't fit the model.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// A model without a normalization, which doesn't define how a picture's bytes become its input.
    #[error("the model has no normalization, so a picture can't become its input: pass a preprocessed tensor")]
    NoNormalization,
    /// An empty batch.
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
    /// A layer whose output has no positions, so that there is no map.
    #[error(
        "the output of layer `{layer}` has no positions ({shape:?} for each image); layers with positions: {}",
        spatial.join(", ")
    )]
    NotSpatial {
        /// The layer.
        layer: String,
        /// The shape of one image's output.
        shape: Vec<usize>,
        /// The layers whose outputs are `[H, W, C]`.
        spatial: Vec<String>,
    },
    /// A mean over no layers.
    #[error("a mean over layers needs at least one layer")]
    NoLayers,
    /// A single map for a pass over several images.
    #[error("the pass has {images} images, each with its own map: use `explain_each`")]
    SeveralImages {
        /// Number of images in the pass.
        images: usize,
    },
    /// A class index out of range.
    #[error("there is no class {class}: the model has {classes}, numbered from 0")]
    Class {
        /// The index.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A list of classes whose length differs from the number of images.
    #[error("{found} classes for {expected} images: give one class for all, or one for each image")]
    TargetLength {
        /// Number of images in the pass.
        expected: usize,
        /// Number of classes in the list.
        found: usize,
    },
    /// A target without any class.
    #[error("a target needs at least one class")]
    NoClass,
    /// A function of the logits that doesn't return one score for each image.
    #[error(
        "the target's function must turn the logits [{rows}, {classes}] into one score for each row, [{rows}]; it gave {found:?}"
    )]
    TargetShape {
        /// Number of rows of logits.
        rows: usize,
        /// Number of classes.
        classes: usize,
        /// The shape of its result.
        found: Vec<usize>,
    },
    /// A baseline whose shape differs from the model's input.
    #[error("expected a baseline {expected:?}, found {found:?}")]
    Baseline {
        /// The model's input, `[H, W, C]`.
        expected: [usize; 3],
        /// The baseline's shape.
        found: Vec<usize>,
    },
    /// Invalid settings of a method or a measure.
    #[error("{0}")]
    Setting(String),
    /// The progress callback stopped the method.
    #[error("stopped after {done} of {total}")]
    Cancelled {
        /// Images run so far.
        done: usize,
        /// Images to run.
        total: usize,
    },
}
