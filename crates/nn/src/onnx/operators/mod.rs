//! The operators, a file for each family: a node and what it reads become layers, or a constant.

mod activation;
mod arithmetic;
mod concat;
mod constant;
mod convolution;
mod gather;
mod matrix;
mod normalization;
mod pool;
mod resize;
mod shape;
mod window;

pub(super) use arithmetic::Arithmetic;

use super::error::NodeError;
use super::graph::{Graph, Value};
use super::node::Node;

/// What a node computes: its first output.
pub(super) type Operator = for<'a> fn(&Node<'a>, &mut Graph<'a>) -> Result<Value, NodeError>;

/// Those that are read, by name.
const OPERATORS: &[(&str, Operator)] = &[
    ("Add", arithmetic::add),
    ("AveragePool", pool::average),
    ("BatchNormalization", normalization::batch_norm),
    ("Cast", constant::cast),
    ("Clip", activation::clip),
    ("Concat", concat::concat),
    ("Constant", constant::constant),
    ("Conv", convolution::conv),
    ("ConvTranspose", convolution::conv_transpose),
    ("Div", arithmetic::div),
    ("Dropout", normalization::dropout),
    ("Elu", activation::elu),
    ("Flatten", shape::flatten),
    ("Gather", gather::gather),
    ("Gelu", activation::gelu),
    ("Gemm", matrix::gemm),
    ("GlobalAveragePool", pool::global_average),
    ("GlobalMaxPool", pool::global_max),
    ("HardSigmoid", activation::hard_sigmoid),
    ("HardSwish", activation::hard_swish),
    ("Identity", constant::identity),
    ("LeakyRelu", activation::leaky_relu),
    ("LogSoftmax", activation::log_softmax),
    ("MatMul", matrix::matmul),
    ("MaxPool", pool::max),
    ("Mul", arithmetic::mul),
    ("Pad", window::pad),
    ("ReduceMean", pool::reduce_mean),
    ("Relu", activation::relu),
    ("Reshape", shape::reshape),
    ("Resize", resize::resize),
    ("Shape", gather::shape),
    ("Sigmoid", activation::sigmoid),
    ("Slice", gather::slice),
    ("Softmax", activation::softmax),
    ("Softplus", activation::softplus),
    ("Split", gather::split),
    ("Squeeze", shape::squeeze),
    ("Sub", arithmetic::sub),
    ("Tanh", activation::tanh),
    ("Transpose", shape::transpose),
    ("Unsqueeze", shape::unsqueeze),
];

/// The operator of this name.
pub(super) fn find(name: &str) -> Option<Operator> {
    OPERATORS.iter().find(|(known, _)| *known == name).map(|&(_, operator)| operator)
}

/// All names.
pub(super) fn names() -> Vec<&'static str> {
    OPERATORS.iter().map(|&(name, _)| name).collect()
}
