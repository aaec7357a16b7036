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
        // Over ONNX's last dimension, which the channels become for that.
        let inputs = w.with_parameters(Tensor::clone);
        let x = w.channels_last(0);
        w.channels_last_node("normalized", "LayerNormalization", &[&x, inputs[1], inputs[2]], &settings);
    }
}

/// Over the dimensions from `first` on, which become the channels.
fn over_last(
    r: &mut Reading<'_>,
    x: &Activation,
    first: usize,
    scale: &Constant,
    bias: Option<&Constant>,
    epsilon: f64,
) -> Result<Value, NodeError> {
    if (first..x.rank()).any(|dimension| x.runs_through_batch(dimension)) {
        return Err(NodeError::Batch);
    }
    let mut groups = x.each_dimension();
    groups.retain(|group| group.iter().all(|&dimension| dimension < first));
    groups.push((first..x.rank()).collect());
    let x = r.arranged_as("plain", x, &groups)?;
    let channels = x.channels();
    let parameter = |constant: Option<&Constant>, missing| match constant.map_or_else(Vec::new, Constant::to_floats) {
        values if values.len() == channels => Ok(Weight::new(&[channels], values)),
        values if values.is_empty() => Ok(Weight::new(&[channels], vec![missing; channels])),
        values => Err(NodeError::shape(format!("a scale and a bias of {channels} values"), &[values.len()])),
    };
    let weights = [parameter(Some(scale), 1.0)?, parameter(bias, 0.0)?];
    Ok(x.of(r.layer_with(LayerNorm { epsilon }, &x, weights)?).into())
}

/// LayerNormalization over channels, over a whole image, or over any last dimensions.
fn layer_norm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let epsilon = r.node.decimal("epsilon", 1e-5)?;
    let (shape, channels) = (x.shape(), x.channels());
    let axis = r.node.integer("axis", -1)?;
    let unsupported = || NodeError::unsupported("axis", axis, "the channels of pixels or rows, or the whole image");
    let first = resolve(axis, shape.len()).ok_or_else(unsupported)?;
    let scale = r.constant(1, "scale")?;
    let bias = r.optional_constant(2, "bias")?;
    let are_channels = (first..shape.len()).all(|dimension| x.is_channels(dimension) || shape[dimension] == 1);
    if are_channels && shape[first..].iter().product::<usize>() == channels {
        let bias = bias.map_or_else(|| Constant::floats(&[], vec![0.0]), |bias| (*bias).clone());
        let weights = [x.for_each_channel(&scale, "scale")?, x.for_each_channel(&bias, "bias")?];
        return Ok(x.of(r.layer_with(LayerNorm { epsilon }, &x, weights)?).into());
    }
    if !x.has_batch_first() || shape.iter().take(first).skip(1).any(|&extent| extent != 1) {
        return over_last(r, &x, first, &scale, bias.as_deref(), epsilon);
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
