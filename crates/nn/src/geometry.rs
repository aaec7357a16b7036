//! Where the windows of a convolution or a pooling lie.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A kernel, stride, dilation or padding of more pixels than this is no network's: it is refused, so that what is computed
/// from them can be counted.
pub(crate) const MOST_PIXELS: usize = 1 << 20;

/// Rows and columns of padding round a picture, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// As much as makes ⌈extent / stride⌉ outputs, the odd pixel below and to the right: TensorFlow's `SAME`, ONNX's
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

/// The free choices of a 2-d convolution: all that its operands' shapes don't say.
///
/// The default is stride 1, no padding, no dilation, one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conv2d {
    /// Steps `[down, right]` between neighbouring windows.
    pub stride: [usize; 2],
    /// Zeros round the picture.
    pub padding: Padding,
    /// Distance `[down, right]` between neighbouring taps of the kernel; 1 is an ordinary convolution.
    pub dilation: [usize; 2],
    /// Channels are split into this many groups that don't see one another; `Cin` groups is a depthwise convolution.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Self { stride: [1, 1], padding: Padding::default(), dilation: [1, 1], groups: 1 }
    }
}

/// The geometry of one convolution, operands' shapes included.
///
/// Input `[N, H, W, Cin]`, kernel `[Kh, Kw, Cin / groups, Cout]`, output `[N, Ho, Wo, Cout]`, with
/// `Ho = ⌊(H + top + bottom − dilation·(Kh − 1) − 1) / stride⌋ + 1`, and `Wo` likewise. Output channel `o` belongs
/// to group `o / (Cout / groups)`, which reads the input channels `[g·Cin/groups, (g + 1)·Cin/groups)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Images in the batch, N.
    pub batch: usize,
    /// Input `[H, W]`.
    pub input: [usize; 2],
    /// Input channels, Cin.
    pub in_channels: usize,
    /// Kernel `[Kh, Kw]`.
    pub kernel: [usize; 2],
    /// Output channels, Cout.
    pub out_channels: usize,
    /// Output `[Ho, Wo]`.
    pub output: [usize; 2],
    /// Stride, padding, dilation, groups.
    pub conv: Conv2d,
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
    /// The padding takes away all that a transposed convolution covers.
    #[error("the padding leaves nothing of {covered:?}: {padding:?}")]
    NothingLeft {
        /// Extent of what is covered, `[rows, columns]`.
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
    /// A kernel, stride, dilation or padding that can't be meant.
    #[error("a {what} of {found} pixels is too large: at most {MOST_PIXELS} can be meant")]
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
/// Where a stride, a dilation or a kernel dimension is zero, or one of them or of the padding can't be meant.
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
        if found > MOST_PIXELS {
            return Err(GeometryError::Excessive { what, found });
        }
    }
    Ok([0, 1].map(|d| dilation[d] * (kernel[d] - 1) + 1))
}

/// Output extent `[Ho, Wo]` of windows of `kernel` taps over `input`.
///
/// # Errors
/// Where a stride, a dilation or a kernel dimension is zero, one of them or of the padding can't be meant, or no window fits.
pub fn window_output(
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

impl Conv2d {
    /// Stride 1 and, for a 3×3 kernel, an output as large as the input: one pixel of padding all round.
    #[must_use]
    pub fn same() -> Self {
        Self::default().padding(1)
    }

    /// The same stride down and right.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same padding on all four sides.
    #[must_use]
    pub fn padding(self, pixels: usize) -> Self {
        Self { padding: Padding::all(pixels), ..self }
    }

    /// The same dilation down and right.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation: [dilation; 2], ..self }
    }

    /// Groups of channels that don't see one another.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// The geometry for an input `[N, H, W, Cin]` and a kernel `[Kh, Kw, Cin / groups, Cout]`.
    ///
    /// # Errors
    /// Where the shapes don't fit together.
    pub fn geometry(&self, input: &[usize], kernel: &[usize]) -> Result<ConvGeometry, GeometryError> {
        let &[batch, h, w, in_channels] = input else {
            return Err(GeometryError::InputRank(input.to_vec()));
        };
        let &[kh, kw, kernel_in, out_channels] = kernel else {
            return Err(GeometryError::KernelRank(kernel.to_vec()));
        };
        if self.groups == 0 {
            return Err(GeometryError::Zero("groups"));
        }
        if !in_channels.is_multiple_of(self.groups)
            || !out_channels.is_multiple_of(self.groups)
            || in_channels / self.groups != kernel_in
        {
            return Err(GeometryError::Channels { in_channels, groups: self.groups, kernel_in, out_channels });
        }
        let output = window_output([h, w], [kh, kw], self.stride, &self.padding, self.dilation)?;
        Ok(ConvGeometry { batch, input: [h, w], in_channels, kernel: [kh, kw], out_channels, output, conv: *self })
    }
}

impl ConvGeometry {
    /// Input channels that one output channel reads, `Cin / groups`.
    #[must_use]
    pub const fn group_in(&self) -> usize {
        self.in_channels / self.conv.groups
    }

    /// Output channels of one group, `Cout / groups`.
    #[must_use]
    pub const fn group_out(&self) -> usize {
        self.out_channels / self.conv.groups
    }

    /// `[N, H, W, Cin]`.
    #[must_use]
    pub const fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.input[0], self.input[1], self.in_channels]
    }

    /// `[Kh, Kw, Cin / groups, Cout]`.
    #[must_use]
    pub const fn kernel_shape(&self) -> [usize; 4] {
        [self.kernel[0], self.kernel[1], self.group_in(), self.out_channels]
    }

    /// `[N, Ho, Wo, Cout]`.
    #[must_use]
    pub const fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.output[0], self.output[1], self.out_channels]
    }

    /// Multiply–adds of the forward pass: N·Ho·Wo·Cout·(Cin/groups)·Kh·Kw.
    #[must_use]
    pub const fn multiply_adds(&self) -> u64 {
        let taps = (self.kernel[0] as u64).saturating_mul(self.kernel[1] as u64).saturating_mul(self.group_in() as u64);
        taps.saturating_mul((self.batch * self.output[0] * self.output[1] * self.out_channels) as u64)
    }

    /// The same geometry for another number of images.
    #[must_use]
    pub const fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }
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

    #[test]
    fn same_padding_keeps_the_size_and_stride_halves_it() {
        let kernel = [3, 3, 3, 8];
        assert_eq!(Conv2d::same().geometry(&[1, 30, 22, 3], &kernel).unwrap().output, [30, 22]);
        assert_eq!(Conv2d::same().stride(2).geometry(&[1, 30, 22, 3], &kernel).unwrap().output, [15, 11]);
    }

    #[test]
    fn a_kernel_that_reads_other_channels_is_refused_with_both_counts() {
        let error = Conv2d::same().geometry(&[1, 8, 8, 4], &[3, 3, 3, 8]).unwrap_err().to_string();
        assert!(error.contains("input of 4 channels") && error.contains("[Kh, Kw, 3, 8]"), "{error}");
    }
}
