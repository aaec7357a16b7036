//! Convolutional networks on SIMD kernels: operations, models, training, data, model files.

pub mod data;
mod geometry;
pub mod im2col;
pub mod kernels;
pub mod ops;
mod pool2d;
mod real;
pub mod simd;

pub use geometry::{Conv2d, ConvGeometry, GeometryError, Padding, window_output};
pub use pool2d::{Pool2d, PoolGeometry};
pub use real::Real;
