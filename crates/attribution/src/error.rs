//! Errors. Each message contains its cause, so [`source`](std::error::Error::source) is always `None`.

use nn::data::photo::PhotoError;
use nn::{ModelError, Task};
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
    /// The index of a class, label or value out of range.
    #[error("there is no {noun} {class}: the model has {classes}, numbered from 0")]
    Class {
        /// The model's outputs: classes, labels or values.
        noun: &'static str,
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
    /// A side that the model's task doesn't have, or a value asked for as if it were a class.
    #[error("the network gives {task}, which have no `{target}`: ask for one as in `{example}`")]
    Side {
        /// The model's task.
        task: Task,
        /// The target asked for.
        target: String,
        /// A target that fits.
        example: String,
    },
    /// The likeliest class of a model whose scores can't be compared.
    #[error("{task} have no likeliest one: name the target")]
    NoTop {
        /// The model's task.
        task: Task,
    },
    /// A region of a map without any position.
    #[error("the map has no position {region}: choose another class, or another region such as `all`")]
    EmptyRegion {
        /// The region, in words.
        region: String,
    },
    /// A mask of another size than the model's input.
    #[error("expected a mask of the input's pixels {expected:?}, found {found:?}")]
    Mask {
        /// `[H, W]` of the input.
        expected: [usize; 2],
        /// `[H, W]` of the mask.
        found: [usize; 2],
    },
    /// An embedding that can't be compared with the model's output.
    #[error("an embedding of {found} dimensions can't be compared with the network's output {expected:?}")]
    Embedding {
        /// The shape of one image's output.
        expected: Vec<usize>,
        /// Number of dimensions of the embedding.
        found: usize,
    },
    /// A unit that the layer doesn't have.
    #[error("there is no unit {unit}: the layer has {}", units(*size, *channels))]
    Unit {
        /// The unit.
        unit: String,
        /// The layer's rows and columns, if its output has positions.
        size: Option<[usize; 2]>,
        /// The layer's channels.
        channels: usize,
    },
    /// A layer after the target's.
    #[error("layer `{layer}` comes after `{target}`, whose output is explained: choose a layer before it")]
    AfterTarget {
        /// The layer to explain.
        layer: String,
        /// The target's layer.
        target: String,
    },
    /// A method of the scores alone, for a unit of another layer.
    #[error("{method} explains the scores of the last layer only: use Grad-CAM for a unit of another layer")]
    NotAScore {
        /// The method.
        method: &'static str,
    },
    /// A method of attention, for a model that has none.
    #[error("the network has no attention between tokens: use Grad-CAM, or LRP")]
    NoAttention,
    /// Attention that isn't between all tokens, so that the blocks' attention can't be multiplied.
    #[error(
        "{method} multiplies the attention of all blocks, each between the same tokens; layer `{layer}`, {shape:?}, \
         {difference}: use Grad-CAM at a block, or LRP"
    )]
    PartialAttention {
        /// The method.
        method: &'static str,
        /// The layer.
        layer: String,
        /// The shape of one image's output.
        shape: Vec<usize>,
        /// How it differs, in words.
        difference: &'static str,
    },
    /// A function of outputs that doesn't return one score for each image.
    #[error(
        "the target's function must turn the outputs {outputs:?} into one score for each image, [{}]; it gave {found:?}",
        outputs[0]
    )]
    TargetShape {
        /// The shape of the outputs, `[N, …]`.
        outputs: Vec<usize>,
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

/// What a layer with these rows, columns and channels has, in words.
fn units(size: Option<[usize; 2]>, channels: usize) -> String {
    let counted = |what: &str, count: usize| format!("{count} {what}, 0 to {}", count.saturating_sub(1));
    let channels = counted("channels", channels);
    match size {
        Some([height, width]) => format!("{channels}; {}; {}", counted("rows", height), counted("columns", width)),
        None => format!("{channels}, without rows and columns"),
    }
}
