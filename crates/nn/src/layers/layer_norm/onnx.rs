//! Layer normalization in ONNX files.

use tensor::Tensor;

use super::LayerNorm;
use crate::layers::arithmetic::{Scale, Shift};
use crate::layers::group_norm::GroupNorm;
use crate::onnx::prelude::*;

impl Onnx for LayerNorm {
    const READS: Reads = &[("LayerNormalization", layer_norm)];

    fn write(&self, w: &mut Writing<'_>) {
        let settings = [integer("axis", -1), float("epsilon", self.epsilon)];
        if w.input_shape(0).len() == 1 {
            return w.one_node("LayerNormalization", &settings);
        }
        // Over ONNX's last dimension, which the channels become for that.
        let inputs = w.with_parameters(Tensor::clone);
        let channels_last = w.part("channels_last", "Transpose", &inputs[..1], &[integers("perm", &[0, 2, 3, 1])]);
        let normalized =
            w.inner_node("normalized", "LayerNormalization", &[&channels_last, inputs[1], inputs[2]], &settings);
        w.outer_node("channels_first", "Transpose", &normalized, &[integers("perm", &[0, 3, 1, 2])]);
    }
}

/// LayerNormalization over channels, or over a whole image.
fn layer_norm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let epsilon = r.node.decimal("epsilon", 1e-5)?;
    let (shape, channels) = (x.shape(), x.channels());
    let axis = r.node.integer("axis", -1)?;
    let unsupported = || NodeError::unsupported("axis", axis, "the channels of pixels or rows, or the whole image");
    let first = resolve(axis, shape.len() + 1).ok_or_else(unsupported)?.checked_sub(1).ok_or(NodeError::Batch)?;
    let scale = r.constant(1, "scale")?;
    let bias = r.optional_constant(2, "bias")?;
    let are_channels = (first..shape.len()).all(|dimension| x.is_channels(dimension) || shape[dimension] == 1);
    if are_channels && shape[first..].iter().product::<usize>() == channels {
        let bias = bias.map_or_else(|| Constant::floats(&[], vec![0.0]), |bias| (*bias).clone());
        let weights = [x.for_each_channel(&scale, "scale")?, x.for_each_channel(&bias, "bias")?];
        return Ok(x.of(r.layer_with(LayerNorm { epsilon }, &x, weights)?).into());
    }
    if shape[..first].iter().any(|&extent| extent != 1) {
        return Err(unsupported());
    }
    // One group of all channels; the scale and the bias have a number for each value.
    let ones = [1.0, 0.0].map(|value| Weight::new(&[channels], vec![value; channels]));
    let mut source = r.add("normalized", GroupNorm { groups: 1, epsilon }, &[x.source], ones)?;
    let scale = x.to_our_layout(&scale)?;
    let part = if bias.is_some() { "scaled" } else { "" };
    source = r.add(part, Scale { shape: scale.shape.clone() }, &[source], [scale])?;
    if let Some(bias) = bias {
        let bias = x.to_our_layout(&bias)?;
        source = r.add("", Shift { shape: bias.shape.clone() }, &[source], [bias])?;
    }
    Ok(x.of(source).into())
}
