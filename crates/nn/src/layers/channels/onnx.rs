//! Reductions over the channels in ONNX files; those over positions, too, are read with the reductions.

use super::{ChannelMax, ChannelMean};
use crate::onnx::prelude::*;

impl Onnx for ChannelMean {
    fn write(&self, w: &mut Writing<'_>) {
        over_channels(w, "ReduceMean");
    }
}

impl Onnx for ChannelMax {
    fn write(&self, w: &mut Writing<'_>) {
        over_channels(w, "ReduceMax");
    }
}

/// A mean or maximum over ONNX's channels.
fn over_channels(w: &mut Writing<'_>, operator: &str) {
    let axes = w.list("axes", &[1]);
    w.node(operator, &[w.inputs()[0], &axes], &[]);
}
