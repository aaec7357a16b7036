//! The built-in network, with weights in half precision.

use nn::Model;

use super::efficientnet;
pub(crate) use super::efficientnet::NAME;
use crate::program::terminal::Failure;

/// © 2020 ML Illustrated, Apache-2.0; the licence and the notice are in the same folder.
pub(crate) const WEIGHTS: &[u8] = include_bytes!("../../../pretrained/efficientnet-lite0/weights.safetensors");

/// The network, for photographs.
pub(crate) fn efficientnet() -> Result<Model, Failure> {
    efficientnet::with_weights(WEIGHTS)
}
