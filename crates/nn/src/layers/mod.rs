//! The layers of a network: an operation is a folder or a file, with its settings, shapes, parameters, formula, derivation,
//! forward pass, vector–Jacobian product and tests.
//!
//! The types are what a [`ModelBuilder`](crate::ModelBuilder) takes, what a model's file holds and, where nothing more has to be
//! kept, what stands on the tape, so that a [`Rule`](tensor::Rule) recognises it (`node.op::<Relu>()`). [`Apply`] applies them
//! to values on any tape. Each answers the questions of [`Kind`].
//!
//! A new operation is its folder, a line in `list.rs`, and its chapter in the book.

mod activations;
mod affine;
mod apply;
mod arithmetic;
mod avg_pool;
pub(crate) mod batch_norm;
mod channels;
mod conv2d;
mod conv_transpose2d;
mod display;
mod dropout;
pub(crate) mod error;
mod global_avg_pool;
mod group_norm;
mod inputs;
pub(crate) mod kind;
mod l2_norm;
pub(crate) mod layer;
mod layer_norm;
mod learned;
pub(crate) mod limits;
mod linear;
pub(crate) mod list;
mod local_response_norm;
pub(crate) mod matmul;
mod max_pool;
pub(crate) mod parameter;
pub(crate) mod pointwise;
mod pooling;
pub(crate) mod prelude;
pub(crate) mod resize;
pub(crate) mod run;
mod shape;
pub(crate) mod statistics;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use activations::softmax;
pub use activations::{
    Abs, Clip, Elu, Erf, Exp, Gelu, HardSigmoid, HardSwish, LeakyRelu, Log, PRelu, Power, Relu, Sigmoid, Silu, Softmax,
    Softplus, Step, Tanh,
};
pub use apply::Apply;
pub use arithmetic::{Add, Div, Mul, Scale, Shift, Sub};
pub use avg_pool::AvgPool;
pub use batch_norm::{BatchNorm, BatchNormEvaluation, BatchNormTraining, batch_norm_training};
pub use channels::{ChannelMax, ChannelMaximum, ChannelMean};
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::Conv2d;
pub use dropout::{Dropout, DropoutMask, dropout};
pub use error::LayerError;
pub use global_avg_pool::GlobalAvgPool;
pub use group_norm::{GroupNorm, GroupNormalization};
pub use kind::{Effect, Kind, Reach, Work};
pub use l2_norm::L2Norm;
pub use layer::Layer;
pub use layer_norm::{LayerNorm, LayerNormalization};
pub use learned::Learned;
pub use linear::Linear;
pub use local_response_norm::LocalResponseNorm;
pub use matmul::MatMul;
pub use max_pool::{MaxPool, MaxPooling};
pub use parameter::{Init, Parameter, ParameterSpec};
pub use resize::{Interpolation, Resize, Tap};
pub use run::Mode;
pub use shape::{Concat, Flatten, Pad, Rearrange, Select, Unflatten};
pub use statistics::{BatchStatistics, ChannelStatistics};
