//! The windows of convolutions and poolings.

use tensor::Tensor;

use crate::geometry::{Conv2d, Padding};
use crate::onnx::error::NodeError;
use crate::onnx::node::Node;
use crate::onnx::proto::{integer, integers};
use crate::onnx::schema::AttributeProto;

/// Stride, dilation and padding of a node's windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) padding: Padding,
}

impl Windows {
    /// Of windows of `kernel` over an image of `input` `[H, W]`.
    pub(crate) fn read(node: &Node<'_>, input: [usize; 2], kernel: [usize; 2]) -> Result<Self, NodeError> {
        let (stride, dilation) = (node.pair("strides")?, node.pair("dilations")?);
        let same = Padding::same(input, kernel, stride, dilation);
        let padding = match node.text("auto_pad")?.as_deref() {
            None | Some("NOTSET" | "") => padding(node.integers("pads")?.unwrap_or_default())?,
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

fn padding(pads: &[i64]) -> Result<Padding, NodeError> {
    let pixels: Option<Vec<usize>> = pads.iter().map(|&pad| usize::try_from(pad).ok()).collect();
    match pixels.as_deref() {
        Some([]) => Ok(Padding::default()),
        Some(&[top, left, bottom, right]) => Ok(Padding { top, bottom, left, right }),
        _ => Err(NodeError::unsupported("pads", pads, "four numbers from 0: above, left, below, right")),
    }
}

/// Checks the attribute `kernel_shape` against the weight's shape.
pub(crate) fn check_kernel(node: &Node<'_>, kernel: [usize; 2]) -> Result<(), NodeError> {
    match node.integers("kernel_shape")?.filter(|shape| **shape != kernel.map(|extent| extent as i64)) {
        None => Ok(()),
        Some(found) => Err(NodeError::unsupported("kernel_shape", found, "the weight's last two dimensions")),
    }
}

/// The attributes of windows.
pub(crate) fn windows(kernel: [usize; 2], stride: [usize; 2], padding: &Padding) -> Vec<AttributeProto> {
    let Padding { top, left, bottom, right } = *padding;
    let pads = integers("pads", &[top, left, bottom, right]);
    vec![integers("kernel_shape", &kernel), integers("strides", &stride), pads]
}

/// The attributes of a convolution.
pub(crate) fn convolution(kernel: [usize; 2], conv: &Conv2d) -> Vec<AttributeProto> {
    let mut settings = windows(kernel, conv.stride, &conv.padding);
    settings.extend([integers("dilations", &conv.dilation), integer("group", conv.groups as i64)]);
    settings
}

/// A convolution's parameters as ONNX has them: `[Kh, Kw, Cin/groups, Cout]` as `[Cout, Cin/groups, Kh, Kw]`.
pub(crate) fn to_oihw(parameter: &Tensor<f32>) -> Tensor<f32> {
    if parameter.shape().len() == 4 { parameter.permute(&[3, 2, 0, 1]) } else { parameter.clone() }
}
