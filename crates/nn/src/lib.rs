//! Convolutional networks on SIMD kernels: operations, models, training, data, model files.
//!
//! # Where to read on
//!
//! Each operation of [`ops`] has its formula beside its code. The book derives them at leisure:
//!
//! - [Convolution](../attribution/book/chapter_04_convolution/index.html), by index algebra and as a matrix product, up to the
//!   weight gradient at any stride; [`kernels`] tells how it is made fast
//! - [Pooling](../attribution/book/chapter_05_pooling/index.html), and its ties
//! - [Batch norm and dropout](../attribution/book/chapter_06_batch_norm/index.html)
//! - [Softmax and cross-entropy](../attribution/book/chapter_07_softmax/index.html), and why their gradient is p − y
//! - [Activations](../attribution/book/chapter_08_relu/index.html)
//! - [Resizing](../attribution/book/chapter_10_upsampling/index.html)

mod conv_transpose2d;
pub mod data;
pub mod files;
mod geometry;
pub mod im2col;
pub mod init;
pub mod kernels;
mod kind;
mod layer;
mod layout;
mod model;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod ops;
pub mod optim;
mod pool2d;
mod real;
pub mod train;
pub mod zoo;

pub use conv_transpose2d::ConvTranspose2d;
pub use geometry::{Conv2d, ConvGeometry, GeometryError, Padding, window_output};
pub use kind::FileKind;
pub use layer::{Layer, LayerError, ParameterSpec};
pub use model::{
    Algorithms, BatchStatistics, FileError, FileErrorKind, Forward, GapHead, LayerSummary, Mode, Model, ModelBuilder,
    ModelError, ModelInfo, ModelNode, Naming, Parameter, Source, Summary, WeightError, WeightLayout,
};
pub use pool2d::{Pool2d, PoolGeometry};
pub use real::Real;
