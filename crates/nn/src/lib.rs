//! Convolutional networks on SIMD kernels: operations, models, training, data, model files.

pub mod data;
mod geometry;
pub mod im2col;
pub mod init;
pub mod kernels;
mod layer;
mod model;
pub mod ops;
pub mod optim;
mod pool2d;
mod real;
pub mod simd;
pub mod train;

pub use geometry::{Conv2d, ConvGeometry, GeometryError, Padding, window_output};
pub use layer::{Layer, LayerError, ParameterSpec};
pub use model::{
    BatchStatistics, FileError, FileErrorKind, Forward, GapHead, LayerSummary, Mode, Model, ModelBuilder, ModelError,
    ModelInfo, ModelNode, Parameter, Source, Summary,
};
pub use pool2d::{Pool2d, PoolGeometry};
pub use real::{ConvCall, Real};
