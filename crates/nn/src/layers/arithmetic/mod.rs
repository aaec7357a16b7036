//! Arithmetic of several inputs, and of an input and a parameter.

mod inputs;
#[cfg(feature = "onnx")]
mod onnx;
mod parameters;

pub use inputs::{Add, Div, Mul, Sub};
pub use parameters::{Scale, Shift};
