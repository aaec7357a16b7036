//! Transposed convolutions in ONNX files.

use std::iter::once;

use super::ConvTranspose2d;
use crate::geometry::{Convolution, TransposedConvolution};
use crate::onnx::prelude::*;
use crate::onnx::windows::{Windows, check_kernel, convolution, in_two_dimensions, to_oihw};

impl Onnx for ConvTranspose2d {
    const READS: Reads = &[("ConvTranspose", conv_transpose), ("Col2Im", columns_to_image)];

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

/// Col2Im: blocks of pixels `[N, C·Kh·Kw, L]` are added up where they lie in an image, by a transposed convolution that puts each
/// pixel of a block in its place.
fn columns_to_image(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let pair = |r: &mut Reading<'_>, index, name| {
        let given = r.integers(index, name)?.unwrap_or_default();
        match given.iter().map(|&extent| usize::try_from(extent)).collect::<Result<Vec<_>, _>>().as_deref() {
            Ok(&[rows, columns]) if rows > 0 && columns > 0 => Ok([rows, columns]),
            _ => Err(NodeError::unsupported(name, &given, "rows and columns")),
        }
    };
    let (size, kernel) = (pair(r, 1, "image_shape")?, pair(r, 2, "block_shape")?);
    let Windows { stride, dilation, padding } = Windows::read(&r.node, size, kernel, 2)?;
    let misfit = || x.misfit(format!("blocks of {kernel:?} pixels [N, C·{}·{}, L] of {size:?}", kernel[0], kernel[1]));
    let area = kernel[0].saturating_mul(kernel[1]);
    let &[n, inputs, blocks] = &x.shape()[..] else { return Err(misfit()) };
    let (mut places, mut output_padding) = ([0; 2], [0; 2]);
    for axis in [0, 1] {
        let reach = (kernel[axis] - 1).saturating_mul(dilation[axis]).saturating_add(1);
        let whole = size[axis].saturating_add(padding.total()[axis]);
        let rest = whole.checked_sub(reach).filter(|_| stride[axis] > 0).ok_or_else(misfit)?;
        (places[axis], output_padding[axis]) = (rest / stride[axis] + 1, rest % stride[axis]);
    }
    if !inputs.is_multiple_of(area) || places[0].saturating_mul(places[1]) != blocks {
        return Err(misfit());
    }
    r.charge(inputs.saturating_mul(area))?;
    let Value::Activation(x) = r.reshaped(x.into(), &[n, inputs, places[0], places[1]])? else {
        unreachable!("an activation stays one")
    };
    let x = r.arranged("blocks", &x)?;
    let groups = inputs / area;
    let layer = ConvTranspose2d {
        out_channels: groups,
        kernel,
        transposed: TransposedConvolution { conv: Convolution { stride, padding, dilation, groups }, output_padding },
        bias: false,
    };
    let is_place = (0..inputs * area).map(|at| if at % area == at / area % area { 1.0 } else { 0.0 });
    let weight = Constant::floats(&[inputs, 1, kernel[0], kernel[1]], is_place.collect());
    let source = r.layer_with(layer, &x, once(in_two_dimensions(&weight, [inputs, 1], kernel)))?;
    Ok(r.image(source).into())
}
