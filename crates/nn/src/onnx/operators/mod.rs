//! The operators, a file for each family: a node and what it reads become layers, or a constant.

mod activation;
mod arithmetic;
mod concat;
mod constant;
mod convolution;
mod gather;
mod group;
mod matrix;
mod normalization;
mod pointwise;
mod pool;
mod reduce;
mod resize;
mod shape;
mod window;

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
    ("Ceil", pointwise::ceil),
    ("Celu", activation::celu),
    ("Clip", activation::clip),
    ("Concat", concat::concat),
    ("Constant", constant::constant),
    ("ConstantOfShape", constant::of_shape),
    ("Conv", convolution::conv),
    ("ConvTranspose", convolution::conv_transpose),
    ("Div", arithmetic::div),
    ("Dropout", normalization::dropout),
    ("Elu", activation::elu),
    ("Erf", pointwise::erf),
    ("Expand", gather::expand),
    ("Flatten", shape::flatten),
    ("Floor", pointwise::floor),
    ("Gather", gather::gather),
    ("Gelu", activation::gelu),
    ("Gemm", matrix::gemm),
    ("GlobalAveragePool", pool::global_average),
    ("GlobalMaxPool", pool::global_max),
    ("GroupNormalization", group::group_norm),
    ("HardSigmoid", activation::hard_sigmoid),
    ("HardSwish", activation::hard_swish),
    ("Identity", constant::identity),
    ("InstanceNormalization", group::instance_norm),
    ("LayerNormalization", group::layer_norm),
    ("LeakyRelu", activation::leaky_relu),
    ("LogSoftmax", activation::log_softmax),
    ("MatMul", matrix::matmul),
    ("Max", pointwise::max),
    ("MaxPool", pool::max),
    ("Min", pointwise::min),
    ("Mish", activation::mish),
    ("Mul", arithmetic::mul),
    ("Neg", pointwise::neg),
    ("PRelu", activation::prelu),
    ("Pad", window::pad),
    ("Pow", pointwise::pow),
    ("Reciprocal", pointwise::reciprocal),
    ("ReduceL2", reduce::length),
    ("ReduceMax", reduce::max),
    ("ReduceMean", reduce::mean),
    ("ReduceSum", reduce::sum),
    ("ReduceSumSquare", reduce::squares),
    ("Relu", activation::relu),
    ("Reshape", shape::reshape),
    ("Resize", resize::resize),
    ("Selu", activation::selu),
    ("Shape", gather::shape),
    ("Sigmoid", activation::sigmoid),
    ("Slice", gather::slice),
    ("Softmax", activation::softmax),
    ("Softplus", activation::softplus),
    ("Split", gather::split),
    ("Sqrt", pointwise::sqrt),
    ("Squeeze", shape::squeeze),
    ("Sub", arithmetic::sub),
    ("Sum", arithmetic::sum),
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
