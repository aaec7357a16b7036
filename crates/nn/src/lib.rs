//! Convolutional networks on SIMD kernels: operations, models, training, data, model files.
//!
//! # Where to read on
//!
//! Each operation of [`layers`] has its formula beside its code. `attribution::book`, in the package `glassbox`, derives them at
//! leisure. Its chapters on them are
//!
//! - *4. Convolution*: by index algebra and as a matrix product, up to the weight gradient at any stride; [`kernels`] tells how
//!   it is made fast
//! - *5. Pooling*, and its ties
//! - *6. Batch norm and dropout*
//! - *7. Softmax and cross-entropy*, and why their gradient is P − q
//! - *8. ReLU and its readings*, with the other activations
//! - *10. Upsampling*: resizing
//! - *20. Training*: where weights start, and what [`optim`] does with their gradients

pub mod data;
pub mod files;
mod function;
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
    Algorithms, FileError, FileErrorKind, Forward, GapHead, Grid, LayerSummary, Model, ModelBuilder, ModelError,
    ModelInfo, ModelNode, Naming, Parameter, Recorded, Source, Summary, Task, TensorError, WeightError, WeightLayout,
    most_similar,
};
pub use real::Real;

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
