//! Convolutions: the settings, and the geometry of one.

use serde::{Deserialize, Serialize};

use super::{GeometryError, Padding, window_output};

/// The settings of a 2-d convolution that its operands' shapes don't give; on a tape, the operation itself.
///
/// The default is stride 1, no padding, no dilation, one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Steps `[down, right]` between neighbouring windows.
    pub stride: [usize; 2],
    /// Zeros round the picture.
    pub padding: Padding,
    /// Distance `[down, right]` between neighbouring taps of the kernel; 1 is an ordinary convolution.
    pub dilation: [usize; 2],
    /// Channels are split into this many groups that don't see one another; `Cin` groups is a depthwise convolution.
    pub groups: usize,
}

impl Default for Convolution {
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
    pub conv: Convolution,
}

impl Convolution {
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
    /// If the shapes don't fit together.
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

    #[test]
    fn same_padding_keeps_the_size_and_stride_halves_it() {
        let kernel = [3, 3, 3, 8];
        assert_eq!(Convolution::same().geometry(&[1, 30, 22, 3], &kernel).unwrap().output, [30, 22]);
        assert_eq!(Convolution::same().stride(2).geometry(&[1, 30, 22, 3], &kernel).unwrap().output, [15, 11]);
    }

    #[test]
    fn a_kernel_that_reads_other_channels_is_refused_with_both_counts() {
        let error = Convolution::same().geometry(&[1, 8, 8, 4], &[3, 3, 3, 8]).unwrap_err().to_string();
        assert!(error.contains("input of 4 channels") && error.contains("[Kh, Kw, 3, 8]"), "{error}");
    }
}
