//! What can be wrong with a model.

use std::path::PathBuf;

use thiserror::Error;

use super::builder::MOST_LAYERS;
use crate::layer::{LayerError, MOST_VALUES, MOST_WORK};

/// A model that can't be built, or was asked for what it doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No layer at all.
    #[error("a model needs at least one layer")]
    Empty,
    /// More layers than can be meant.
    #[error("{0} layers; at most {MOST_LAYERS} can be meant")]
    TooManyLayers(usize),
    /// Images without a value, or with more than can be meant.
    #[error("images {0:?}; expected 1 to {MOST_VALUES} values")]
    InputSize([usize; 3]),
    /// More values than can be meant, all outputs taken together.
    #[error("the layers up to `{layer}` give more than {MOST_VALUES} values for one image, more than can be meant")]
    TooManyValues {
        /// The layer with which they are too many.
        layer: String,
    },
    /// More work than can be meant, all layers taken together.
    #[error(
        "the layers up to `{layer}` take more than {MOST_WORK} multiply-adds or pooled values for one image, more than can \
         be meant"
    )]
    TooMuchWork {
        /// The layer with which it is too much.
        layer: String,
    },
    /// A name that can't be written in a line.
    #[error("{0:?} has control characters; expected the name of a layer or a class")]
    Name(String),
    /// Two layers of one name, or a layer called `input`.
    #[error("the name `{0}` is taken")]
    NameTaken(String),
    /// A layer reads one that doesn't stand before it.
    #[error("layer `{layer}` reads `{input}`, but no layer of that name stands before it")]
    UnknownInput {
        /// The reading layer.
        layer: String,
        /// What it reads.
        input: String,
    },
    /// A layer doesn't fit its inputs.
    #[error("layer `{layer}`: {error}")]
    Layer {
        /// Its name.
        layer: String,
        /// What doesn't fit.
        error: LayerError,
    },
    /// The last layer doesn't give scores.
    #[error("the last layer must give a score per class, [N, classes], found [N, {}]", join(.0))]
    NoScores(Vec<usize>),
    /// Another number of class names than scores.
    #[error("{names} class names for {scores} scores")]
    ClassNames {
        /// Names given.
        names: usize,
        /// Scores that the model computes.
        scores: usize,
    },
    /// A normalization for another number of channels.
    #[error("a normalization of {found} channels for images of {expected}")]
    Normalization {
        /// Channels of the model's input.
        expected: usize,
        /// Channels that the normalization is for.
        found: usize,
    },
    /// An image of another shape.
    #[error("the model takes images [N, {}], found [{}]", join(.expected), join(.found))]
    Input {
        /// `[H, W, C]`.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A layer that isn't there.
    #[error("there is no layer `{name}`{}; the layers are {}", did_you_mean(.suggestion), .layers.join(", "))]
    UnknownLayer {
        /// The name asked for.
        name: String,
        /// The most similar name.
        suggestion: Option<String>,
        /// All names.
        layers: Vec<String>,
    },
    /// A class that isn't there.
    #[error("there is no class `{name}`{}; {}", did_you_mean(.suggestion), list_classes(.classes))]
    UnknownClass {
        /// The class asked for.
        name: String,
        /// The most similar name.
        suggestion: Option<String>,
        /// All names; numbers where classes have no names.
        classes: Vec<String>,
    },
    /// Weights of another shape.
    #[error("parameter `{name}`: expected {expected:?}, found {found:?}")]
    ParameterShape {
        /// Its name, such as `conv1.weight`.
        name: String,
        /// Shape that the architecture says.
        expected: Vec<usize>,
        /// Shape given.
        found: Vec<usize>,
    },
    /// A parameter is missing.
    #[error("parameter `{0}` is missing")]
    MissingParameter(String),
    /// A parameter that the architecture doesn't have.
    #[error("parameter `{0}` belongs to no layer")]
    UnknownParameter(String),
}

/// A model file that can't be read or written.
#[derive(Debug, Error)]
#[error("{}: {kind}", .path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: FileErrorKind,
}

/// What is wrong with a model file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The file system's answer.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not a safetensors file, or a damaged one.
    #[error("not a safetensors file, or a damaged one ({0})")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A safetensors file from elsewhere.
    #[error(
        "a safetensors file without an architecture under `glassbox` in its metadata: not a model saved here; an ONNX file \
         of the network has weights and architecture"
    )]
    Foreign,
    /// A safetensors file that isn't a checkpoint.
    #[error(
        "a safetensors file without an entry `glassbox-checkpoint` in its metadata: not a checkpoint of a training"
    )]
    NoCheckpoint,
    /// What a checkpoint says besides its tensors, damaged.
    #[error("what the checkpoint says of its training can't be understood: {0}; train anew")]
    Checkpoint(#[source] serde_json::Error),
    /// A checkpoint by a version with another format.
    #[error(
        "the checkpoint's format is {found}, this version goes on from {expected}: train anew, or with the other version"
    )]
    CheckpointFormat {
        /// Format that is read.
        expected: u32,
        /// Format found.
        found: u32,
    },
    /// A checkpoint of another training.
    #[error("a checkpoint of another training: {what}: expected {expected}, found {found}; train anew, or as it was")]
    OtherTraining {
        /// What differs.
        what: &'static str,
        /// What this training has.
        expected: String,
        /// What the checkpoint has.
        found: String,
    },
    /// Saved by a version with another format.
    #[error("the model's format is {found}, this version reads {expected}")]
    Format {
        /// Format that is read.
        expected: u32,
        /// Format found.
        found: u32,
    },
    /// An architecture that can't be understood.
    #[error("the architecture can't be understood: {0}")]
    Architecture(#[from] serde_json::Error),
    /// A parameter that isn't floating-point.
    #[error("parameter `{name}` holds {found}; f16, bf16, f32 and f64 are read")]
    Dtype {
        /// Its name.
        name: String,
        /// Its type.
        found: String,
    },
    /// A parameter that isn't a number, or infinite.
    #[error("parameter `{name}` holds {found}; expected finite numbers")]
    NotFinite {
        /// Its name.
        name: String,
        /// The first of them.
        found: f32,
    },
    /// A tensor that isn't there, doesn't fit, or fits nothing.
    #[error(transparent)]
    Weight(#[from] Box<WeightError>),
    /// A model that can't be built.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// What is wrong with a file of weights.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WeightError {
    /// A tensor that the parameter it is for can't be made from.
    #[error("tensor `{tensor}`, for the parameter `{parameter}`: expected {expected:?}, found {found:?} ({layout})")]
    Shape {
        /// Its name in the file.
        tensor: String,
        /// The parameter's name in the model.
        parameter: String,
        /// The shape that the parameter has in the file's layout.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
        /// The file's layout, in words.
        layout: &'static str,
    },
    /// A tensor that a parameter asks for and that isn't there.
    #[error(
        "tensor `{tensor}`, for the parameter `{parameter}`, is missing{}; the file has {}",
        did_you_mean(.suggestion), .tensors.join(", ")
    )]
    Missing {
        /// The name asked for.
        tensor: String,
        /// The parameter's name in the model.
        parameter: String,
        /// The most similar name in the file.
        suggestion: Option<String>,
        /// All names in the file.
        tensors: Vec<String>,
    },
    /// A tensor that no parameter asks for.
    #[error("tensor `{0}` belongs to no layer of the model")]
    Unknown(String),
}

fn join(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn list_classes(names: &[String]) -> String {
    const SHOWN: usize = 20;
    match names.len() {
        0..=SHOWN => format!("the classes are {}", names.join(", ")),
        n => format!("the {n} classes begin {}, …", names[..SHOWN].join(", ")),
    }
}
