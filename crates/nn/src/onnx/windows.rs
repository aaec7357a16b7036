//! The windows of convolutions and poolings.

use tensor::Tensor;

use crate::geometry::{Convolution, Padding, Pool2d};
use crate::onnx::prelude::*;
use crate::onnx::schema::AttributeProto;

/// Stride, dilation and padding of a node's windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) padding: Padding,
}

impl Windows {
    /// Of windows of `kernel` over an image of `input` `[H, W]`, in two dimensions or in one.
    pub(crate) fn read(
        node: &Node<'_>,
        input: [usize; 2],
        kernel: [usize; 2],
        dimensions: usize,
    ) -> Result<Self, NodeError> {
        let (stride, dilation) = (node.pair("strides", dimensions)?, node.pair("dilations", dimensions)?);
        let same = Padding::same(input, kernel, stride, dilation);
        let padding = match node.text("auto_pad")?.as_deref() {
            None | Some("NOTSET" | "") => padding(node.integers("pads")?.unwrap_or_default(), dimensions)?,
            Some("VALID") => Padding::default(),
            Some("SAME_UPPER") => same,
            Some("SAME_LOWER") => Padding { top: same.bottom, bottom: same.top, left: same.right, right: same.left },
            Some(found) => {
                return Err(NodeError::unsupported("auto_pad", found, "NOTSET, VALID, SAME_UPPER, SAME_LOWER"));
            }
        };
        Ok(Self { stride, dilation, padding })
    }
}

fn padding(pads: &[i64], dimensions: usize) -> Result<Padding, NodeError> {
    let pixels: Option<Vec<usize>> = pads.iter().map(|&pad| usize::try_from(pad).ok()).collect();
    match (pixels.as_deref(), dimensions) {
        (Some([]), _) => Ok(Padding::default()),
        (Some(&[top, left, bottom, right]), 2) => Ok(Padding { top, bottom, left, right }),
        (Some(&[left, right]), 1) => Ok(Padding { left, right, ..Padding::default() }),
        (_, 1) => Err(NodeError::unsupported("pads", pads, "two numbers from 0: left, right")),
        _ => Err(NodeError::unsupported("pads", pads, "four numbers from 0: above, left, below, right")),
    }
}

/// Checks the attribute `kernel_shape` against the weight's extents behind its channels.
pub(crate) fn check_kernel(node: &Node<'_>, extents: &[usize]) -> Result<(), NodeError> {
    let is_other = |shape: &&[i64]| !shape.iter().copied().eq(extents.iter().map(|&extent| extent as i64));
    match node.integers("kernel_shape")?.filter(is_other) {
        None => Ok(()),
        Some(found) => {
            Err(NodeError::unsupported("kernel_shape", found, "the weight's dimensions behind its channels"))
        }
    }
}

/// A convolution's weight `[A, B, Kh, Kw]` or `[A, B, K]`, A and B being `channels`, in our layout `[Kh, Kw, B, A]`.
pub(crate) fn in_two_dimensions(weight: &Constant, [a, b]: [usize; 2], kernel: [usize; 2]) -> Weight {
    let [height, width] = kernel;
    Weight::new(&[height, width, b, a], weight.values.permuted(&[a, b, height, width], &[2, 3, 1, 0]))
}

/// The attributes of windows.
pub(crate) fn windows(kernel: [usize; 2], stride: [usize; 2], padding: &Padding) -> Vec<AttributeProto> {
    let Padding { top, left, bottom, right } = *padding;
    let pads = integers("pads", &[top, left, bottom, right]);
    vec![integers("kernel_shape", &kernel), integers("strides", &stride), pads]
}

/// The attributes of a convolution.
pub(crate) fn convolution(kernel: [usize; 2], conv: &Convolution) -> Vec<AttributeProto> {
    let mut settings = windows(kernel, conv.stride, &conv.padding);
    settings.extend([integers("dilations", &conv.dilation), integer("group", conv.groups as i64)]);
    settings
}

/// A convolution's parameters as ONNX has them: `[Kh, Kw, Cin/groups, Cout]` as `[Cout, Cin/groups, Kh, Kw]`.
pub(crate) fn to_oihw(parameter: &Tensor<f32>) -> Tensor<f32> {
    if parameter.shape().len() == 4 { parameter.permute(&[3, 2, 0, 1]) } else { parameter.clone() }
}

/// The image, the windows, and the part of their padding that only the last windows reach (`ceil_mode`).
pub(crate) fn pooled(r: &mut Reading<'_>) -> Result<(Activation, Pool2d, Padding), NodeError> {
    let (x, [height, width, _]) = r.picture_input()?;
    let dimensions = x.rank() - 2;
    if r.node.integers("kernel_shape")?.is_none_or(<[i64]>::is_empty) {
        return Err(NodeError::MissingInput("kernel_shape"));
    }
    let mut kernel = r.node.pair("kernel_shape", dimensions)?;
    let Windows { stride, dilation, mut padding } = Windows::read(&r.node, [height, width], kernel, dimensions)?;
    if dilation != [1, 1] {
        return Err(NodeError::unsupported("dilations", dilation, "1 in each dimension"));
    }
    let mut reached = Padding::default();
    if r.node.integer("ceil_mode", 0)? != 0 {
        for (axis, (extent, padding)) in [height, width].into_iter().zip(padding.total()).enumerate() {
            // The only window, which is larger than the image, ends where that does.
            let whole = extent.saturating_add(padding);
            if (whole..whole.saturating_add(stride[axis])).contains(&kernel[axis]) {
                kernel[axis] = whole;
            }
        }
        reached.bottom = beyond(height, padding.top, padding.bottom, kernel[0], stride[0]);
        reached.right = beyond(width, padding.left, padding.right, kernel[1], stride[1]);
        padding.bottom = padding.bottom.saturating_add(reached.bottom);
        padding.right = padding.right.saturating_add(reached.right);
    }
    Ok((x, Pool2d { kernel, stride, padding }, reached))
}

/// Pixels by which the last window reaches beyond the padding when the number of windows is rounded up. It must begin
/// within the image or the padding before it.
fn beyond(extent: usize, before: usize, after: usize, kernel: usize, stride: usize) -> usize {
    let Some(room) = extent.saturating_add(before).saturating_add(after).checked_sub(kernel) else { return 0 };
    let last = room.div_ceil(stride).saturating_mul(stride);
    if last >= extent.saturating_add(before) { 0 } else { last - room }
}
