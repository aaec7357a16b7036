//! Where the windows of convolutions and poolings lie.

mod convolution;
mod pool;
mod transposed;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use convolution::{ConvGeometry, Convolution};
pub use pool::{Pool2d, PoolGeometry};
pub use transposed::TransposedConvolution;

/// Limit on kernels, strides, dilations and paddings, far above any network's: products of them fit into a `usize`.
pub(crate) const MAX_PIXELS: usize = 1 << 20;

/// Rows and columns of padding round a picture, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same padding on all four sides.
    #[must_use]
    pub const fn all(pixels: usize) -> Self {
        Self { top: pixels, bottom: pixels, left: pixels, right: pixels }
    }

    /// The padding that gives ⌈extent / stride⌉ outputs, an odd pixel below and to the right: TensorFlow's `SAME`, ONNX's
    /// `SAME_UPPER`.
    #[must_use]
    pub fn same(input: [usize; 2], kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2]) -> Self {
        let [(top, bottom), (left, right)] = [0, 1].map(|axis| {
            let outputs = input[axis].div_ceil(stride[axis].max(1));
            let window = kernel[axis].saturating_sub(1).saturating_mul(dilation[axis]).saturating_add(1);
            let covered = outputs.saturating_sub(1).saturating_mul(stride[axis]).saturating_add(window);
            let total = covered.saturating_sub(input[axis]);
            (total / 2, total.div_ceil(2))
        });
        Self { top, bottom, left, right }
    }

    /// `[rows above + rows below, columns left + columns right]`.
    #[must_use]
    pub const fn total(&self) -> [usize; 2] {
        [self.top.saturating_add(self.bottom), self.left.saturating_add(self.right)]
    }
}

/// Operands that don't fit together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// The input isn't `[N, H, W, C]`.
    #[error("expected an input [N, H, W, C], found {0:?}")]
    InputRank(Vec<usize>),
    /// The kernel isn't `[Kh, Kw, Cin / groups, Cout]`.
    #[error("expected a kernel [Kh, Kw, Cin/groups, Cout], found {0:?}")]
    KernelRank(Vec<usize>),
    /// The channels don't split into the groups, or the kernel reads another number of them.
    #[error(
        "an input of {in_channels} channels in {groups} groups doesn't fit a kernel [Kh, Kw, {kernel_in}, {out_channels}]"
    )]
    Channels {
        /// Channels of the input.
        in_channels: usize,
        /// Groups asked for.
        groups: usize,
        /// Third dimension of the kernel.
        kernel_in: usize,
        /// Fourth dimension of the kernel.
        out_channels: usize,
    },
    /// A stride, dilation, group count or kernel dimension of zero.
    #[error("{0} is zero")]
    Zero(&'static str),
    /// The window doesn't fit into the padded picture even once.
    #[error("a window of {window:?} (dilation included) doesn't fit into {padded:?} (padding included)")]
    WindowTooLarge {
        /// Extent of the window, `[rows, columns]`.
        window: [usize; 2],
        /// Extent of the padded picture, `[rows, columns]`.
        padded: [usize; 2],
    },
    /// The padding is as large as what a transposed convolution covers.
    #[error("the padding leaves nothing of {covered:?}: {padding:?}")]
    NothingLeft {
        /// Extent that the windows cover, `[rows, columns]`.
        covered: [usize; 2],
        /// The padding.
        padding: Padding,
    },
    /// Output padding of a transposed convolution by a whole stride, or a stride of zero.
    #[error("an output padding of {output_padding} at stride {stride}; it must be less than the stride")]
    OutputPadding {
        /// Rows or columns added.
        output_padding: usize,
        /// The stride in that direction.
        stride: usize,
    },
    /// A kernel, stride, dilation or padding beyond the limit.
    #[error("a {what} of {found} pixels is too large: the limit is {MAX_PIXELS}")]
    Excessive {
        /// Which of them.
        what: &'static str,
        /// Its extent.
        found: usize,
    },
    /// A pooling window can lie in the padding alone, where there is nothing to pool.
    #[error("{padding:?} has room for a whole window of {kernel:?}")]
    WindowInPadding {
        /// Extent of the window, `[rows, columns]`.
        kernel: [usize; 2],
        /// The padding.
        padding: Padding,
    },
}

/// Extent `[rows, columns]` of a window, dilation included.
///
/// # Errors
/// If a stride, a dilation or a kernel dimension is zero, or one of them or of the padding is beyond the limit.
pub(crate) fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: &Padding,
    dilation: [usize; 2],
) -> Result<[usize; 2], GeometryError> {
    let Padding { top, bottom, left, right } = *padding;
    for (what, pair) in [("stride", stride), ("dilation", dilation), ("kernel", kernel)] {
        if pair.contains(&0) {
            return Err(GeometryError::Zero(what));
        }
    }
    for (what, found) in [
        ("stride", stride[0].max(stride[1])),
        ("dilation", dilation[0].max(dilation[1])),
        ("kernel", kernel[0].max(kernel[1])),
        ("padding", top.max(bottom).max(left).max(right)),
    ] {
        if found > MAX_PIXELS {
            return Err(GeometryError::Excessive { what, found });
        }
    }
    Ok([0, 1].map(|d| dilation[d] * (kernel[d] - 1) + 1))
}

/// Output extent `[Ho, Wo]` of windows of `kernel` taps over `input`.
///
/// # Errors
/// If a stride, a dilation or a kernel dimension is zero, one of them or of the padding is beyond the limit, or no window fits.
pub(crate) fn window_output(
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: &Padding,
    dilation: [usize; 2],
) -> Result<[usize; 2], GeometryError> {
    let window = window(kernel, stride, padding, dilation)?;
    let total = padding.total();
    let padded = [0, 1].map(|d| input[d].saturating_add(total[d]));
    if window[0] > padded[0] || window[1] > padded[1] {
        return Err(GeometryError::WindowTooLarge { window, padded });
    }
    Ok([0, 1].map(|d| (padded[d] - window[d]) / stride[d] + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn same_padding_gives_as_many_outputs_as_strides(
            input in [1_usize..40, 1_usize..40], kernel in [1_usize..8, 1_usize..8],
            stride in [1_usize..5, 1_usize..5], dilation in [1_usize..4, 1_usize..4],
        ) {
            let padding = Padding::same(input, kernel, stride, dilation);
            let output = window_output(input, kernel, stride, &padding, dilation).unwrap();
            prop_assert_eq!(output, [0, 1].map(|axis| input[axis].div_ceil(stride[axis])));
            prop_assert!(padding.bottom - padding.top <= 1 && padding.right - padding.left <= 1);
            // No more than is needed: one row less and an output is lost, unless there was none to pad.
            let less = Padding { bottom: padding.bottom.saturating_sub(1), ..padding };
            let fewer = window_output(input, kernel, stride, &less, dilation);
            prop_assert!(padding.bottom == 0 || fewer.is_ok_and(|found| found[0] < output[0]) || output[0] == 1);
        }
    }

    #[test]
    fn same_padding_of_even_pictures_at_stride_two() {
        // As TensorFlow pads EfficientNet-Lite0: (0, 1) for 3×3, (1, 2) for 5×5.
        let padding = |extent, kernel| Padding::same([extent; 2], [kernel; 2], [2; 2], [1; 2]);
        assert_eq!(padding(224, 3), Padding { top: 0, bottom: 1, left: 0, right: 1 });
        assert_eq!(padding(14, 5), Padding { top: 1, bottom: 2, left: 1, right: 2 });
        assert_eq!(padding(7, 3), Padding::all(1));
    }
}
