#![doc = include_str!("README.md")]
#![doc = include_str!("winograd/README.md")]
#![allow(unsafe_code)]

pub(crate) mod bounds;
pub mod conv;
pub(crate) mod finish;
pub(crate) mod function;
mod gemm;
mod pack;
pub(crate) mod parallel;
mod pass;
pub(crate) mod reference;
mod row;
mod scratch;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tile;
mod winograd;

pub(crate) use gemm::Panels;
pub use gemm::gemm;
pub use pack::Matrix;
pub(crate) use row::row_product;
pub use winograd::{WinogradError, use_winograd};
