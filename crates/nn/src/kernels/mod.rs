#![doc = include_str!("README.md")]
#![doc = include_str!("winograd/README.md")]
#![allow(unsafe_code)]

pub mod conv;
mod gemm;
mod pack;
mod parallel;
pub(crate) mod reference;
mod scratch;
#[cfg(test)]
mod testing;
mod tile;
mod winograd;

pub use gemm::{Begin, gemm};
pub use pack::Matrix;
pub use winograd::{WinogradError, winograd_from_environment};
