//! Convolutional networks on SIMD kernels: operations, models, training, data, model files.
//!
//! # Where to read on
//!
//! Each operation of [`layers`] has its formula beside its code. The book derives them at leisure:
//!
//! - [Convolution](../attribution/book/chapter_04_convolution/index.html), by index algebra and as a matrix product, up to the
//!   weight gradient at any stride; [`kernels`] tells how it is made fast
//! - [Pooling](../attribution/book/chapter_05_pooling/index.html), and its ties
//! - [Batch norm and dropout](../attribution/book/chapter_06_batch_norm/index.html)
//! - [Softmax and cross-entropy](../attribution/book/chapter_07_softmax/index.html), and why their gradient is P − q
//! - [Activations](../attribution/book/chapter_08_relu/index.html)
//! - [Resizing](../attribution/book/chapter_10_upsampling/index.html)

pub mod data;
pub mod files;
mod geometry;
pub mod im2col;
pub mod kernels;
mod kind;
pub mod layers;
mod layout;
pub mod losses;
mod model;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod optim;
mod real;
pub mod train;
pub mod zoo;

pub use geometry::{ConvGeometry, Convolution, GeometryError, Padding, Pool2d, PoolGeometry, TransposedConvolution};
pub use kind::FileKind;
pub use layers::{BatchStatistics, Layer, LayerError, Mode, ParameterSpec};
pub use model::{
    Algorithms, FileError, FileErrorKind, Forward, GapHead, LayerSummary, Model, ModelBuilder, ModelError, ModelInfo,
    ModelNode, Naming, Parameter, Recorded, Source, Summary, TensorError, WeightError, WeightLayout,
};
pub use real::Real;
