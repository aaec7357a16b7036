//! Errors of ONNX files.

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::geometry::GeometryError;
use crate::layers::error::LayerError;
use crate::model::ModelError;

/// An ONNX file that can't be read.
#[derive(Debug, Error)]
#[error("{}: {kind}", .path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: LoadErrorKind,
}

/// The reason why an ONNX file can't be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The file system's answer.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The content can't become a model.
    #[error(transparent)]
    Onnx(#[from] Box<OnnxError>),
}

/// An ONNX file whose content can't become a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// Not an ONNX file, or a damaged one.
    #[error("not an ONNX file, or a damaged one ({0})")]
    Protobuf(#[from] prost::DecodeError),
    /// No graph in the file.
    #[error("an ONNX file without a graph")]
    NoGraph,
    /// Too old a version of the operators.
    #[error("the operators are of version {found:?} (opset); versions from 7 are supported")]
    Opset {
        /// The version, if the file says one.
        found: Option<i64>,
    },
    /// Another number of inputs than one.
    #[error("expected one input, an image [N, C, H, W], found {}", list(.0))]
    Inputs(Vec<String>),
    /// The input is no image, or one without a fixed number of channels.
    #[error(
        "input `{name}`: expected an image [N, C, H, W] or [N, H, W, C], found [{}]; export the model with such an input \
         and a fixed number of channels",
        .found.join(", ")
    )]
    InputShape {
        /// Its name.
        name: String,
        /// Its dimensions: numbers, or names of those that aren't fixed.
        found: Vec<String>,
    },
    /// The file leaves the height or the width of the input open, and none was given.
    #[error(
        "input `{name}`: the file leaves height and width open, found [{}]; read it with a size, which is `--size` on the \
         command line and `OnnxOptions::size` in the library",
        .found.join(", ")
    )]
    OpenSize {
        /// Its name.
        name: String,
        /// Its dimensions: numbers, or names of those that are open.
        found: Vec<String>,
    },
    /// The output is neither a row of scores nor a map of them.
    #[error("output `{name}`: expected scores [N, classes] or a map of scores [N, classes, H, W], found {found}")]
    OutputShape {
        /// Its name.
        name: String,
        /// Its shape.
        found: String,
    },
    /// Several outputs could be the scores.
    #[error("the network has several outputs: {}; choose one of them (--output NAME)", .0.join(", "))]
    Outputs(Vec<String>),
    /// There is no output of this name.
    #[error("there is no output `{name}`; the network's outputs are {}", .outputs.join(", "))]
    UnknownOutput {
        /// The name asked for.
        name: String,
        /// The outputs with their shapes.
        outputs: Vec<String>,
    },
    /// The output doesn't depend on the image.
    #[error("the output `{0}` doesn't depend on the image")]
    Output(String),
    /// Operators that aren't read: all of them, with the number of their nodes.
    #[error("the network has operators that aren't read: {0}")]
    Operators(String),
    /// A node that isn't supported or is wrong.
    #[error("node `{node}` ({operator}): {error}")]
    Node {
        /// Its name, or that of its output if it has none.
        node: String,
        /// The operator.
        operator: String,
        /// What is wrong with it.
        error: NodeError,
    },
    /// A model that can't be built.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The fault of a node of an ONNX graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// An unknown operator.
    #[error("the operator isn't read")]
    Operator,
    /// An operator of another set than ONNX's own.
    #[error("operators of the domain `{0}` aren't supported, only ONNX's own")]
    Domain(String),
    /// An input that nothing computes.
    #[error("reads `{0}`, which is neither a tensor of the file nor computed by a node")]
    UnknownValue(String),
    /// An input that is computed from the node's own output.
    #[error("reads `{0}`, which is computed from its own output: the nodes form a cycle")]
    Cycle(String),
    /// A node of a quantised network.
    #[error("this network is quantised: export the float model")]
    Quantised,
    /// An output that another node computes.
    #[error("computes `{0}`, which is computed already")]
    ValueTaken(String),
    /// Constants from which nothing can be computed.
    #[error("can't be computed from constants: {0}")]
    Folding(String),
    /// A missing input.
    #[error("its {0} is missing")]
    MissingInput(&'static str),
    /// An input that must not depend on the image.
    #[error("its {input} `{name}` depends on the image; only a constant is supported")]
    NotConstant {
        /// What it is for.
        input: &'static str,
        /// Its name.
        name: String,
    },
    /// An input that must depend on the image.
    #[error("its {input} `{name}` is a constant; only a value that depends on the image is supported")]
    Constant {
        /// What it is for.
        input: &'static str,
        /// Its name.
        name: String,
    },
    /// An unsupported setting.
    #[error("{name} is {found}; supported: {supported}")]
    Setting {
        /// The attribute or input.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is supported.
        supported: &'static str,
    },
    /// A shape that doesn't fit, or that our layers can't compute.
    #[error("expected {expected}, found {found}")]
    Shape {
        /// In words.
        expected: String,
        /// The shape found.
        found: String,
    },
    /// Images of a batch would be mixed.
    #[error("moves or mixes the images of a batch, which must stay the first dimension")]
    Batch,
    /// An unreadable tensor.
    #[error("tensor `{name}`: {error}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: TensorError,
    },
    /// More constants than the file's size justifies.
    #[error("the constants computed up to here are far larger than the file")]
    TooManyConstants,
    /// An integer overflow or a division by zero.
    #[error("the constants computed here overflow, or are divided by zero")]
    Overflow,
    /// A layer that can't be applied.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Windows that don't fit.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

impl NodeError {
    /// An attribute or input with a value that isn't supported.
    pub(crate) fn unsupported(name: &'static str, found: impl Debug, supported: &'static str) -> Self {
        Self::Setting { name, found: format!("{found:?}"), supported }
    }

    /// A constant of the wrong shape.
    pub(crate) fn shape(expected: impl Into<String>, found: &[usize]) -> Self {
        Self::Shape { expected: expected.into(), found: format!("{found:?}") }
    }
}

/// The fault of a tensor of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// Elements of an unsupported type.
    #[error("its elements are of type {0}; f16, bf16, f32, f64, i8, u8, i32, i64 and bool are supported")]
    Type(i32),
    /// A negative extent, or more elements than can be counted.
    #[error("its shape {0:?} is negative or too large")]
    Shape(Vec<i64>),
    /// Another number of elements than the shape says.
    #[error("its shape says {expected} bytes or numbers, {found} are there")]
    Length {
        /// As the shape says.
        expected: usize,
        /// As there are.
        found: usize,
    },
    /// A weight that is infinite or not a number.
    #[error("it holds a value that isn't finite ({0})")]
    NotFinite(String),
    /// Unreadable data in another file.
    #[error("its data in the file `{file}` can't be read: {problem}")]
    External {
        /// The other file's name.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
