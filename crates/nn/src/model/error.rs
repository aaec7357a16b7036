//! Errors of models and their files.
//!
//! An error's text contains that of its cause. [`source`](std::error::Error::source) therefore doesn't return the cause: a
//! chain of sources never says a thing twice.

use std::path::Path;

use safetensors::SafeTensorError;
use thiserror::Error;

use super::builder::MAX_LAYERS;
use super::naming::WeightLayout;
use super::tensors::TensorError;
use crate::layers::error::LayerError;
use crate::layers::limits::{MAX_VALUES, MAX_WORK};

/// A model that can't be built, or an argument that doesn't fit a model.
///
/// The limits are far above the size of any real network; they keep a hostile file from asking for memory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No layers.
    #[error("a model needs at least one layer")]
    Empty,
    /// More layers than the limit.
    #[error("{0} layers; the limit is {MAX_LAYERS}")]
    TooManyLayers(usize),
    /// Images without a value, or with more values than the limit.
    #[error("images {0:?}; expected 1 to {MAX_VALUES} values")]
    InputSize([usize; 3]),
    /// The outputs of all layers together have more values than the limit.
    #[error("the layers up to `{layer}` give more than {MAX_VALUES} values for one image, which is the limit")]
    TooManyValues {
        /// The layer at which the limit is exceeded.
        layer: String,
    },
    /// All layers together take more work than the limit.
    #[error(
        "the layers up to `{layer}` take more than {MAX_WORK} multiply-adds or pooled values for one image, which is the \
         limit"
    )]
    TooMuchWork {
        /// The layer at which the limit is exceeded.
        layer: String,
    },
    /// A name with control characters.
    #[error("{0:?} has control characters; expected the name of a layer or a class")]
    Name(String),
    /// Two layers of one name, or a layer called `input`.
    #[error("the name `{0}` is taken")]
    NameTaken(String),
    /// A layer reads a layer that isn't before it.
    #[error("layer `{layer}` reads `{input}`, but no layer of that name stands before it")]
    UnknownInput {
        /// The reading layer.
        layer: String,
        /// Its input.
        input: String,
    },
    /// A layer doesn't fit its inputs.
    #[error("layer `{layer}`: {error}")]
    Layer {
        /// Its name.
        layer: String,
        /// The misfit.
        error: LayerError,
    },
    /// The last layer's output is neither `[N, classes]` nor `[N, H, W, classes]`.
    #[error("the last layer must give scores [N, classes] or a map of scores [N, H, W, classes], found [N, {}]", join(.0))]
    NoScores(Vec<usize>),
    /// The number of class names isn't the number of scores.
    #[error("{names} class names for {scores} scores")]
    ClassNames {
        /// Number of names.
        names: usize,
        /// Number of scores.
        scores: usize,
    },
    /// The number of units isn't the number of scores.
    #[error("{units} units for {scores} values")]
    Units {
        /// Number of units.
        units: usize,
        /// Number of scores.
        scores: usize,
    },
    /// A normalization for another number of channels.
    #[error("a normalization of {found} channels for images of {expected}")]
    Normalization {
        /// Number of channels of the model's input.
        expected: usize,
        /// Number of channels of the normalization.
        found: usize,
    },
    /// The images' shape isn't the model's input shape.
    #[error("the model takes images [N, {}], found [{}]", join(.expected), join(.found))]
    Input {
        /// `[H, W, C]`.
        expected: Vec<usize>,
        /// The images' shape.
        found: Vec<usize>,
    },
    /// There is no layer of this name.
    #[error("there is no layer `{name}`{}; the layers are {}", did_you_mean(.suggestion), .layers.join(", "))]
    UnknownLayer {
        /// The name asked for.
        name: String,
        /// The most similar name.
        suggestion: Option<String>,
        /// All names.
        layers: Vec<String>,
    },
    /// There is no class, label or value of this name or index.
    #[error("there is no {noun} `{name}`{}; {}", did_you_mean(.suggestion), list_classes(.noun, .classes))]
    UnknownClass {
        /// The model's outputs: classes, labels or values.
        noun: &'static str,
        /// The class asked for.
        name: String,
        /// The most similar name.
        suggestion: Option<String>,
        /// All names, or the indices if the classes have no names.
        classes: Vec<String>,
    },
    /// A parameter's value has the wrong shape.
    #[error("parameter `{name}`: expected {expected:?}, found {found:?}")]
    ParameterShape {
        /// Its name, such as `conv1.weight`.
        name: String,
        /// The shape that the layer expects.
        expected: Vec<usize>,
        /// The value's shape.
        found: Vec<usize>,
    },
    /// A parameter is missing.
    #[error("parameter `{0}` is missing")]
    MissingParameter(String),
    /// A parameter that no layer has.
    #[error("parameter `{0}` belongs to no layer")]
    UnknownParameter(String),
}

/// An error about a file, with its path.
#[derive(Debug, Error)]
#[error("{}: {kind}", .path.display())]
pub struct FileError<K = FileErrorKind> {
    /// The file.
    pub path: Box<Path>,
    /// The reason.
    pub kind: K,
}

impl<K> FileError<K> {
    /// Reads or writes the file at this path, which is added to an error.
    pub(crate) fn within<V>(path: &Path, act: impl FnOnce(&Path) -> Result<V, K>) -> Result<V, Self> {
        act(path).map_err(|kind| Self { path: path.into(), kind })
    }
}

/// The fault of a model file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not a safetensors file, or a damaged one.
    #[error("not a safetensors file, or a damaged one ({0})")]
    Safetensors(SafeTensorError),
    /// A safetensors file without an architecture.
    #[error(
        "a safetensors file without an architecture under `glassbox` in its metadata: not a model saved here; an ONNX file \
         of the network has weights and architecture"
    )]
    Foreign,
    /// Saved by a version with another format.
    #[error("the model's format is {found}, this version reads {expected}")]
    Format {
        /// The format that this version reads.
        expected: u32,
        /// The file's format.
        found: u32,
    },
    /// The architecture isn't valid JSON, or not of the format.
    #[error("the architecture can't be understood: {0}")]
    Architecture(serde_json::Error),
    /// A tensor that can't be a parameter.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The architecture is no valid model, or the tensors don't fit it.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The fault of a file of weights.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightError {
    /// The file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not a safetensors file, or a damaged one; or two tensors with the same name.
    #[error("not a safetensors file, or a damaged one ({0})")]
    Safetensors(SafeTensorError),
    /// A tensor of the wrong shape.
    #[error("tensor `{tensor}`, for the parameter `{parameter}`: expected {expected:?}, found {found:?} ({})", .layout.in_words())]
    Shape {
        /// Its name in the file.
        tensor: String,
        /// The parameter's name in the model.
        parameter: String,
        /// The parameter's shape in the file's layout.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
        /// The file's layout.
        layout: WeightLayout,
    },
    /// The tensor for a parameter is missing.
    #[error(
        "tensor `{tensor}`, for the parameter `{parameter}`, is missing{}; the file has {}",
        did_you_mean(.suggestion), .tensors.join(", ")
    )]
    Missing {
        /// The name that was looked for.
        tensor: String,
        /// The parameter's name in the model.
        parameter: String,
        /// The most similar name in the file.
        suggestion: Option<String>,
        /// All names in the file.
        tensors: Vec<String>,
    },
    /// A tensor that is for no parameter.
    #[error("tensor `{0}` belongs to no layer of the model")]
    Unknown(String),
    /// A tensor that can't be a parameter.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A model that can't be built, or no layer of a given name.
    #[error(transparent)]
    Model(#[from] ModelError),
}

fn join(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn list_classes(noun: &str, names: &[String]) -> String {
    const SHOWN: usize = 20;
    let plural = if noun == "class" { "classes".to_string() } else { format!("{noun}s") };
    match names.len() {
        1 => format!("the only {noun} is {}", names[0]),
        0..=SHOWN => format!("the {plural} are {}", names.join(", ")),
        n => format!("the {n} {plural} begin {}, …", names[..SHOWN].join(", ")),
    }
}
