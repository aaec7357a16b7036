//! Imports for the files that read and write operators.

pub(crate) use super::activation::Activation;
pub(crate) use super::constant::{Constant, Values};
pub(crate) use super::context::{Reading, Value};
pub(crate) use super::error::NodeError;
pub(crate) use super::layer::{Onnx, Reads};
pub(crate) use super::network::{Planned, Weight};
pub(crate) use super::node::{Node, decimal, resolve};
pub(crate) use super::proto::{float, integer, integers, text};
pub(crate) use super::writing::{Writing, with_constant};
