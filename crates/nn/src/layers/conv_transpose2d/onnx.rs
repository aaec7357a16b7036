//! Transposed convolutions in ONNX files.

use std::iter::once;

use super::ConvTranspose2d;
use crate::geometry::{Convolution, TransposedConvolution};
use crate::onnx::prelude::*;
use crate::onnx::windows::{Windows, check_kernel, convolution, in_two_dimensions, to_oihw};

impl Onnx for ConvTranspose2d {
    const READS: Reads = &[("ConvTranspose", conv_transpose)];

    fn write(&self, w: &mut Writing<'_>) {
        let inputs = w.with_parameters(to_oihw);
        let mut settings = convolution(self.kernel, &self.transposed.conv);
        settings.push(integers("output_padding", &self.transposed.output_padding));
        w.node("ConvTranspose", &inputs, &settings);
    }
}

/// A transposed convolution of an image.
fn conv_transpose(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, [height, width, _]) = r.picture_input()?;
    let weight = r.constant(1, "weight")?;
    let bias = r.optional_weight(2, "bias")?;
    let dimensions = x.rank() - 2;
    let (inputs, group_out, kernel) = match (&weight.shape[..], dimensions) {
        (&[inputs, outputs, rows, columns], 2) => (inputs, outputs, [rows, columns]),
        (&[inputs, outputs, taps], 1) => (inputs, outputs, [1, taps]),
        _ => {
            let expected =
                "a weight [Cin, Cout/groups, Kh, Kw], or [Cin, Cout/groups, K] for a row of pixels [N, C, L]";
            return Err(NodeError::shape(expected, &weight.shape));
        }
    };
    check_kernel(&r.node, &weight.shape[2..])?;
    if let Some(found) = r.node.text("auto_pad")?.filter(|pad| !matches!(&pad[..], "NOTSET" | "VALID" | "")) {
        return Err(NodeError::unsupported("auto_pad", found, "NOTSET, VALID"));
    }
    if let Some(found) = r.node.integers("output_shape")? {
        return Err(NodeError::unsupported("output_shape", found, "none, but pads and output_padding"));
    }
    let output_padding = match *r.node.integers("output_padding")?.unwrap_or_default() {
        [] => [0, 0],
        [below, right] if dimensions == 2 && below >= 0 && right >= 0 => [below as usize, right as usize],
        [right] if dimensions == 1 && right >= 0 => [0, right as usize],
        ref found => {
            return Err(NodeError::unsupported("output_padding", found, "numbers from 0, below and to the right"));
        }
    };
    let groups = usize::try_from(r.node.integer("group", 1)?).unwrap_or(0);
    let Windows { stride, dilation, padding } = Windows::read(&r.node, [height, width], kernel, dimensions)?;
    let layer = ConvTranspose2d {
        out_channels: group_out.saturating_mul(groups),
        kernel,
        transposed: TransposedConvolution { conv: Convolution { stride, padding, dilation, groups }, output_padding },
        bias: bias.is_some(),
    };
    let weight = in_two_dimensions(&weight, [inputs, group_out], kernel);
    let source = r.layer_with(layer, &x, once(weight).chain(bias))?;
    Ok(r.image_of(&x, source).into())
}
