//! Normalisations by statistics of each image: of a pixel's channels, of groups of channels.

use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
use crate::onnx::node::{Node, decimal, index};

/// LayerNormalization: over channels, or over all that an image has.
pub(super) fn layer_norm<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let epsilon = node.float("epsilon")?.map_or(1e-5, decimal);
    let extents = x.shape();
    let axis = node.integer("axis", -1)?;
    let unsupported = || {
        let supported = "the channels of pixels or rows, or all that an image has";
        NodeError::Setting { name: "axis", found: axis.to_string(), supported }
    };
    let first = index(axis, extents.len() + 1).ok_or_else(unsupported)?.checked_sub(1).ok_or(NodeError::Batch)?;
    let scale = x.arrange(&*graph.constant(node, 1, "scale")?)?;
    let bias = graph.optional_constant(node, 2, "bias")?.map(|bias| x.arrange(&bias)).transpose()?;
    let channels = x.layer_shape()[x.layer_shape().len() - 1];
    let over_channels = (first..extents.len()).all(|dimension| x.is_channels(dimension) || extents[dimension] == 1);
    if over_channels && extents[first..].iter().product::<usize>() == channels {
        let spread = |what, (shape, values): (Vec<usize>, Vec<f32>)| match &values[..] {
            &[value] => Ok(Weight::new(&[channels], vec![value; channels])),
            _ if shape == [channels] => Ok(Weight { shape, values }),
            _ => Err(NodeError::Shape { expected: format!("a {what} [{channels}]"), found: shape }),
        };
        let bias = bias.unwrap_or_else(|| (vec![1], vec![0.0]));
        let weights = vec![spread("scale", scale)?, spread("bias", bias)?];
        let source = graph.network.add(node.name(), Layer::LayerNorm { epsilon }, &[x.source], weights)?;
        return Ok(x.of(source).into());
    }
    if extents[..first].iter().any(|&extent| extent != 1) {
        return Err(unsupported());
    }
    // One group of all channels; the scale and the bias have a value for each place.
    let ones = [1.0, 0.0].map(|value| Weight::new(&[channels], vec![value; channels]));
    let name = format!("{}.normalized", node.name());
    let source = graph.network.add(&name, Layer::GroupNorm { groups: 1, epsilon }, &[x.source], ones.into())?;
    let scaled = if bias.is_some() { format!("{}.scaled", node.name()) } else { node.name().into() };
    let (shape, values) = scale;
    let layer = Layer::Scale { shape: shape.clone() };
    let mut source = graph.network.add(&scaled, layer, &[source], vec![Weight { shape, values }])?;
    if let Some((shape, values)) = bias {
        let layer = Layer::Shift { shape: shape.clone() };
        source = graph.network.add(node.name(), layer, &[source], vec![Weight { shape, values }])?;
    }
    Ok(x.of(source).into())
}

/// GroupNormalization; its scale and bias are given for each group before version 21, for each channel from then on.
pub(super) fn group_norm<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let groups = node.integer("num_groups", 0)?;
    let channels = x.as_image().map(|[.., channels]| channels).or_else(|| x.as_row());
    let (Some(channels), Some(groups)) = (channels, usize::try_from(groups).ok().filter(|&groups| groups > 0)) else {
        let expected = "a picture [N, C, H, W] in one group of channels or more (N left out)".into();
        return Err(NodeError::Shape { expected, found: x.shape() });
    };
    grouped(node, graph, &x, groups, channels)
}

/// InstanceNormalization: each of ONNX's channels by itself, which are ours or, where exporters divide them into groups, groups
/// of them.
pub(super) fn instance_norm<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let groups = x.groups_of_channels().ok_or_else(|| NodeError::Shape {
        expected: "a picture [N, C, H, W], or its groups of channels [N, G, …] (N left out)".into(),
        found: x.shape(),
    })?;
    grouped(node, graph, &x, groups, x.layer_shape()[x.layer_shape().len() - 1])
}

fn grouped<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    x: &Activation,
    groups: usize,
    channels: usize,
) -> Result<Value, NodeError> {
    let epsilon = node.float("epsilon")?.map_or(1e-5, decimal);
    let mut weights = Vec::with_capacity(2);
    for (place, what) in [(1, "scale"), (2, "bias")] {
        let constant = graph.constant(node, place, what)?;
        let values = constant.to_floats();
        let each = match values.len() {
            n if n == channels => 1,
            n if n == groups && channels.is_multiple_of(groups) => channels / groups,
            _ => {
                let expected = format!("a {what} [{channels}] or [{groups}]");
                return Err(NodeError::Shape { expected, found: constant.shape.clone() });
            }
        };
        let values = values.into_iter().flat_map(|value| std::iter::repeat_n(value, each)).collect();
        weights.push(Weight::new(&[channels], values));
    }
    let source = graph.network.add(node.name(), Layer::GroupNorm { groups, epsilon }, &[x.source], weights)?;
    Ok(x.of(source).into())
}
