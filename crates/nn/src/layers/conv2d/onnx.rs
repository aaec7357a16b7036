//! Convolutions in ONNX files.

use std::iter::once;

use super::Conv2d;
use super::windows::Stack;
use crate::geometry::{Convolution, Padding};
use crate::layers::linear::Linear;
use crate::layers::shape::Flatten;
use crate::onnx::prelude::*;
use crate::onnx::windows::{Windows, check_kernel, convolution, in_two_dimensions, to_oihw};

impl Onnx for Conv2d {
    const READS: Reads = &[("Conv", conv)];

    fn write(&self, w: &mut Writing<'_>) {
        let inputs = w.with_parameters(to_oihw);
        w.node("Conv", &inputs, &convolution(self.kernel, &self.conv));
    }
}

/// A convolution of an image, or of windows that are folded into the batch. Of a row `[N, C, 1, 1]`, as in
/// squeeze-and-excitation, it is a fully connected layer.
fn conv(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let x = if x.as_row().is_none() { r.arranged("arranged", &x)? } else { x };
    let weight = r.constant(1, "weight")?;
    let bias = r.optional_weight(2, "bias")?;
    if let (&[1, 1, taps], Some(channels)) = (&weight.shape[..], x.as_line()) {
        return over_channels(r, &x, channels, &weight, bias, taps);
    }
    let (outputs, group_in, kernel) = match (&weight.shape[..], x.rank()) {
        (&[outputs, inputs, height, width], 4) => (outputs, inputs, [height, width]),
        (&[outputs, inputs, taps], 3) => (outputs, inputs, [1, taps]),
        _ => {
            let expected =
                "a weight [Cout, Cin/groups, Kh, Kw], or [Cout, Cin/groups, K] for a row of pixels [N, C, L]";
            return Err(NodeError::shape(expected, &weight.shape));
        }
    };
    check_kernel(&r.node, &weight.shape[2..])?;
    let groups = usize::try_from(r.node.integer("group", 1)?).unwrap_or(0);
    let picture = x.as_image().or_else(|| x.as_strip());
    let extents = match (&x.shape()[..], picture) {
        (&[_, _, height, width], None) => [height, width],
        _ => picture.map_or([1, 1], |[height, width, _]| [height, width]),
    };
    let Windows { stride, dilation, padding } = Windows::read(&r.node, extents, kernel, x.rank() - 2)?;
    let conv = Convolution { stride, padding, dilation, groups };
    let of_pictures = |r: &mut Reading<'_>, x: &Activation, conv| {
        let layer = Conv2d { out_channels: outputs, kernel, conv, bias: bias.is_some() };
        let weight = in_two_dimensions(&weight, [outputs, group_in], kernel);
        let source = r.layer_with(layer, x, once(weight).chain(bias.clone()))?;
        Ok::<Activation, NodeError>(r.image_of(x, source))
    };
    if picture.is_some() {
        return Ok(of_pictures(r, &x, conv)?.into());
    }
    if x.rank() == 4 && !x.has_batch_first() {
        let (stack, x, conv) = Stack::of(r, &x, kernel, conv)?;
        let y = of_pictures(r, &x, conv)?;
        return stack.apart(r, y);
    }
    if x.as_row() != Some(group_in) || groups != 1 || kernel != [1, 1] || padding != Padding::default() {
        return Err(x.misfit("an image [N, C, H, W], or a row of pixels [N, C, L]"));
    }
    let layer = Linear { out_features: outputs, bias: bias.is_some() };
    let values = weight.values.permuted(&[outputs, group_in], &[1, 0]);
    let source = r.layer_with(layer, &x, once(Weight::new(&[group_in, outputs], values)).chain(bias))?;
    Ok(r.row(source, x.rank()).into())
}

/// A convolution along the channels of a row `[N, 1, C]`, as in efficient channel attention (Wang et al. 2020): the row
/// becomes an image of one channel, and a row again.
fn over_channels(
    r: &mut Reading<'_>,
    x: &Activation,
    channels: usize,
    weight: &Constant,
    bias: Option<Weight>,
    taps: usize,
) -> Result<Value, NodeError> {
    r.node.only("group", 1, "1")?;
    let (stride, dilation) = (single(&r.node, "strides")?, single(&r.node, "dilations")?);
    let (left, right) = match (r.node.text("auto_pad")?.as_deref(), r.node.integers("pads")?.unwrap_or(&[0, 0])) {
        (None | Some("NOTSET" | ""), &[left, right]) if left >= 0 && right >= 0 => (left as usize, right as usize),
        (_, pads) => return Err(NodeError::unsupported("pads", pads, "two numbers from 0, without auto_pad")),
    };
    let conv = Convolution {
        stride: [1, stride],
        dilation: [1, dilation],
        padding: Padding { left, right, ..Padding::default() },
        groups: 1,
    };
    let line = r.unflattened("line", x, [1, channels, 1])?;
    let layer = Conv2d { out_channels: 1, kernel: [1, taps], conv, bias: bias.is_some() };
    let weight = Weight::new(&[1, taps, 1, 1], weight.to_floats());
    let line = r.layer_with(layer, &line, once(weight).chain(bias))?;
    let row = r.add("row", Flatten, &[line], [])?;
    Ok(r.line(row).into())
}

/// A list of one number, 1 by default.
fn single(node: &Node<'_>, name: &'static str) -> Result<usize, NodeError> {
    let found = node.integers(name)?.unwrap_or(&[1]);
    let value = found.first().and_then(|&value| usize::try_from(value).ok());
    value.ok_or_else(|| NodeError::unsupported(name, found, "a positive number"))
}
