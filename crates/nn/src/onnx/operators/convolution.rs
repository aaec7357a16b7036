//! Convolutions.

use super::pool::picture;
use super::window::Windows;
use crate::conv_transpose2d::ConvTranspose2d;
use crate::geometry::{Conv2d, Padding};
use crate::layer::Layer;
use crate::layout::permuted;
use crate::onnx::activation::Activation;
use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
use crate::onnx::node::Node;

/// Conv, over pictures; a row `[N, C, 1, 1]`, as squeeze-and-excitation has it, goes through a fully connected layer.
pub(super) fn conv<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let weight = graph.constant(node, 1, "weight")?;
    let bias = graph.optional_constant(node, 2, "bias")?;
    if let (&[1, 1, taps], Some(channels)) = (&weight.shape[..], x.as_line()) {
        return over_channels(node, graph, &x, channels, &weight, bias.as_deref(), taps);
    }
    let &[outputs, group_in, height, width] = &weight.shape[..] else {
        return Err(NodeError::Shape {
            expected: "a weight [Cout, Cin/groups, Kh, Kw]".into(),
            found: weight.shape.clone(),
        });
    };
    let kernel = [height, width];
    check_kernel(node, kernel)?;
    let groups = usize::try_from(node.integer("group", 1)?).unwrap_or(0);
    let extent = x.as_image().map_or([1, 1], |[h, w, _]| [h, w]);
    let Windows { stride, dilation, padding } = Windows::read(node, extent, kernel)?;
    let values = weight.to_floats();
    let (layer, weight) = match (x.as_image(), x.as_row()) {
        (Some(_), _) => {
            let conv = Conv2d { stride, padding, dilation, groups };
            let values = permuted(&values, &weight.shape, &[2, 3, 1, 0]);
            let weight = Weight::new(&[height, width, group_in, outputs], values);
            (Layer::Conv2d { out_channels: outputs, kernel, conv, bias: bias.is_some() }, weight)
        }
        (None, Some(channels))
            if channels == group_in && groups == 1 && kernel == [1, 1] && padding == Padding::default() =>
        {
            let values = permuted(&values, &[outputs, group_in], &[1, 0]);
            let layer = Layer::Linear { out_features: outputs, bias: bias.is_some() };
            (layer, Weight::new(&[group_in, outputs], values))
        }
        _ => return Err(NodeError::Shape { expected: "a picture [N, C, H, W] (N left out)".into(), found: x.shape() }),
    };
    let is_row = matches!(layer, Layer::Linear { .. });
    let bias = bias.map(|bias| Weight::new(&bias.shape[..], bias.to_floats()));
    let source =
        graph.network.add(node.name(), layer, &[x.source], [Some(weight), bias].into_iter().flatten().collect())?;
    Ok(match is_row {
        true => Activation::row(source, outputs, x.shape().len()).into(),
        false => Activation::image(source, graph.network.image(source)).into(),
    })
}

/// A convolution of one dimension along a row of channels `[N, 1, C]`, as efficient channel attention has it (Wang et al. 2020):
/// the row becomes a picture of one channel, and a row again.
fn over_channels<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    x: &Activation,
    channels: usize,
    weight: &Constant,
    bias: Option<&Constant>,
    taps: usize,
) -> Result<Value, NodeError> {
    node.only("group", 1, "1")?;
    let single = |name| -> Result<usize, NodeError> {
        let given = node.integers(name)?.unwrap_or(&[1]);
        let value = given.first().and_then(|&value| usize::try_from(value).ok());
        let found = || NodeError::Setting { name, found: format!("{given:?}"), supported: "a positive number" };
        value.ok_or_else(found)
    };
    let (stride, dilation) = (single("strides")?, single("dilations")?);
    let (left, right) = match (node.text("auto_pad")?.as_deref(), node.integers("pads")?.unwrap_or(&[0, 0])) {
        (None | Some("NOTSET" | ""), &[left, right]) if left >= 0 && right >= 0 => (left as usize, right as usize),
        (_, pads) => {
            let (found, supported) = (format!("{pads:?}"), "two numbers from 0, without auto_pad");
            return Err(NodeError::Setting { name: "pads", found, supported });
        }
    };
    let conv = Conv2d {
        stride: [1, stride],
        dilation: [1, dilation],
        padding: Padding { left, right, ..Padding::default() },
        groups: 1,
    };
    let line = graph.unflattened(&format!("{}.line", node.name()), x, [1, channels, 1])?;
    let layer = Layer::Conv2d { out_channels: 1, kernel: [1, taps], conv, bias: bias.is_some() };
    let weight = Weight::new(&[1, taps, 1, 1], weight.to_floats());
    let bias = bias.map(|bias| Weight::new(&bias.shape, bias.to_floats()));
    let weights = [Some(weight), bias].into_iter().flatten().collect();
    let line = graph.network.add(node.name(), layer, &[line.source], weights)?;
    let [_, length, _] = graph.network.image(line);
    let source = graph.network.add(&format!("{}.row", node.name()), Layer::Flatten, &[line], Vec::new())?;
    Ok(x.with_extent(0, 1, length, source).into())
}

/// ConvTranspose, over pictures.
pub(super) fn conv_transpose<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = picture(graph.activation(node, 0, "input")?)?;
    let weight = graph.constant(node, 1, "weight")?;
    let bias = graph.optional_constant(node, 2, "bias")?;
    let &[inputs, group_out, height, width] = &weight.shape[..] else {
        let expected = "a weight [Cin, Cout/groups, Kh, Kw]".into();
        return Err(NodeError::Shape { expected, found: weight.shape.clone() });
    };
    let kernel = [height, width];
    check_kernel(node, kernel)?;
    if let Some(found) = node.text("auto_pad")?.filter(|pad| !matches!(&pad[..], "NOTSET" | "VALID" | "")) {
        return Err(NodeError::Setting { name: "auto_pad", found, supported: "NOTSET, VALID" });
    }
    if let Some(found) = node.integers("output_shape")? {
        let (found, supported) = (format!("{found:?}"), "none: pads and output_padding say it");
        return Err(NodeError::Setting { name: "output_shape", found, supported });
    }
    let output_padding = match *node.integers("output_padding")?.unwrap_or(&[0, 0]) {
        [below, right] if below >= 0 && right >= 0 => [below as usize, right as usize],
        ref found => {
            let (found, supported) = (format!("{found:?}"), "two numbers from 0");
            return Err(NodeError::Setting { name: "output_padding", found, supported });
        }
    };
    let groups = usize::try_from(node.integer("group", 1)?).unwrap_or(0);
    let [h, w, _] = graph.network.image(x.source);
    let Windows { stride, dilation, padding } = Windows::read(node, [h, w], kernel)?;
    let out_channels = group_out.saturating_mul(groups);
    let layer = Layer::ConvTranspose2d {
        out_channels,
        kernel,
        transposed: ConvTranspose2d { conv: Conv2d { stride, padding, dilation, groups }, output_padding },
        bias: bias.is_some(),
    };
    let values = permuted(&weight.to_floats(), &weight.shape, &[2, 3, 1, 0]);
    let weight = Weight::new(&[height, width, group_out, inputs], values);
    let bias = bias.map(|bias| Weight::new(&bias.shape, bias.to_floats()));
    let weights = [Some(weight), bias].into_iter().flatten().collect();
    let source = graph.network.add(node.name(), layer, &[x.source], weights)?;
    Ok(Activation::image(source, graph.network.image(source)).into())
}

/// The attribute says again what the weight's shape says.
fn check_kernel(node: &Node<'_>, kernel: [usize; 2]) -> Result<(), NodeError> {
    match node.integers("kernel_shape")?.filter(|shape| **shape != kernel.map(|extent| extent as i64)) {
        None => Ok(()),
        Some(found) => {
            let (found, supported) = (format!("{found:?}"), "the weight's last two dimensions");
            Err(NodeError::Setting { name: "kernel_shape", found, supported })
        }
    }
}
