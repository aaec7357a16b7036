//! What can be wrong with an ONNX file.

use thiserror::Error;

use super::operators;
use crate::geometry::GeometryError;
use crate::layer::LayerError;
use crate::model::ModelError;

/// An ONNX file that no model can be made from, or a model that no ONNX file can be made from.
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
    #[error("the operators are of version {found:?} (opset), from 7 on are read")]
    Opset {
        /// The version, if the file says one.
        found: Option<i64>,
    },
    /// Not one picture goes in.
    #[error("expected one input, a picture [N, C, H, W], found {}", list(.0))]
    Inputs(Vec<String>),
    /// The picture has no fixed size, or is none.
    #[error(
        "input `{name}`: expected a picture [N, C, H, W] of a fixed size, found [{}]; export the model with fixed \
         height, width and channels",
        .found.join(", ")
    )]
    InputShape {
        /// Its name.
        name: String,
        /// Its dimensions: numbers, or names of those that aren't fixed.
        found: Vec<String>,
    },
    /// No scores come out.
    #[error("output `{name}`: expected scores [N, classes], found [N, {}]", joined(.found))]
    OutputShape {
        /// Its name.
        name: String,
        /// Its shape, N left out.
        found: Vec<usize>,
    },
    /// Nothing that depends on the picture comes out.
    #[error("the output `{0}` doesn't depend on the picture")]
    Output(String),
    /// A node that can't be understood.
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

/// What is wrong with a node of an ONNX graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// An operator that isn't known.
    #[error("the operator isn't supported; these are: {}", operators::names().join(", "))]
    Operator,
    /// An operator of another set than ONNX's own.
    #[error("operators of the domain `{0}` aren't supported, only ONNX's own")]
    Domain(String),
    /// A value that isn't computed, or only later.
    #[error("reads `{0}`, which no node before it computes (the nodes of a graph stand in order, without cycles)")]
    UnknownValue(String),
    /// A value of that name is there already.
    #[error("computes `{0}`, which is computed already")]
    ValueTaken(String),
    /// An input isn't there.
    #[error("its {0} is missing")]
    MissingInput(&'static str),
    /// An input that must not depend on the picture.
    #[error("its {input} `{name}` depends on the picture; only a constant is supported")]
    NotConstant {
        /// What it is for.
        input: &'static str,
        /// Its name.
        name: String,
    },
    /// An input that must depend on the picture.
    #[error("its {input} `{name}` is a constant; only a value that depends on the picture is supported")]
    Constant {
        /// What it is for.
        input: &'static str,
        /// Its name.
        name: String,
    },
    /// A setting that isn't understood.
    #[error("{name} is {found}; supported: {supported}")]
    Setting {
        /// The attribute or input.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is supported.
        supported: &'static str,
    },
    /// A shape that doesn't fit or can't be laid out.
    #[error("expected {expected}, found {found:?}")]
    Shape {
        /// In words.
        expected: String,
        /// The shape found.
        found: Vec<usize>,
    },
    /// What would mix the images of a batch.
    #[error("moves or mixes the images of a batch, which must stay the first dimension")]
    Batch,
    /// A tensor that can't be read.
    #[error("tensor `{name}`: {error}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: TensorError,
    },
    /// More constants than the file's size justifies.
    #[error("the constants computed up to here outgrow the file by far")]
    TooManyConstants,
    /// Integers that no 64 bits hold, or a division by zero.
    #[error("the constants computed here overflow, or are divided by zero")]
    Overflow,
    /// A layer that can't be applied.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Windows that don't fit.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

/// What is wrong with a tensor of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// Elements of a type that isn't read.
    #[error("its elements are of type {0}; f16, bf16, f32, f64, i8, u8, i32, i64 and bool are read")]
    Type(i32),
    /// A shape that no memory holds.
    #[error("its shape {0:?} can't be meant")]
    Shape(Vec<i64>),
    /// Another number of elements than the shape says.
    #[error("its shape says {expected} bytes or numbers, {found} are there")]
    Length {
        /// As the shape says.
        expected: usize,
        /// As there are.
        found: usize,
    },
    /// A weight that is no number.
    #[error("it holds a value that isn't finite ({0})")]
    NotFinite(String),
    /// Data in another file that can't be read.
    #[error("its data in the file `{file}` can't be read: {problem}")]
    External {
        /// The other file's name.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

fn joined(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        names => names.join(", "),
    }
}
