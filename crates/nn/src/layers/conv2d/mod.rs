//! Convolution.

#[cfg(feature = "onnx")]
mod onnx;
mod op;
#[cfg(feature = "onnx")]
mod windows;

use std::fmt;

use super::display::pair;
use super::inputs::{bounded, image};
use super::parameter::channels;
use crate::geometry::{ConvGeometry, Convolution};
use crate::layers::limits::count;
use crate::layers::prelude::*;

/// Convolution; parameters `weight` `[Kh, Kw, Cin/groups, Cout]` and `bias` `[Cout]`. On the tape it is a [`Convolution`].
///
/// ```
/// use nn::layers::Conv2d;
/// assert_eq!(Conv2d::new(16, 3).stride(2).to_string(), "conv 3×3 stride 2, 16");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Output channels, Cout.
    pub out_channels: usize,
    /// Kernel `[Kh, Kw]`.
    pub kernel: [usize; 2],
    /// Stride, padding, dilation, groups.
    pub conv: Convolution,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Conv2d {
    /// A `size`×`size` kernel with a bias at stride 1, padded so that (for odd sizes) the output is as large as the input.
    #[must_use]
    pub fn new(out_channels: usize, size: usize) -> Self {
        let conv = Convolution::default().padding(size.saturating_sub(1) / 2);
        Self { out_channels, kernel: [size; 2], conv, bias: true }
    }

    /// For a weight that exists, of shape `[Kh, Kw, Cin/groups, Cout]`, without a bias.
    ///
    /// # Panics
    /// If the shape isn't of that form.
    #[must_use]
    pub fn of(weight: &[usize], conv: Convolution) -> Self {
        let &[height, width, _, out_channels] = weight else {
            panic!("expected a weight [Kh, Kw, Cin/groups, Cout], found {weight:?}")
        };
        Self { out_channels, kernel: [height, width], conv, bias: false }
    }

    /// With the same stride down and right.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { conv: self.conv.stride(stride), ..self }
    }

    /// With the same padding on all four sides.
    #[must_use]
    pub fn padding(self, pixels: usize) -> Self {
        Self { conv: self.conv.padding(pixels), ..self }
    }

    /// With the same dilation down and right.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { conv: self.conv.dilation(dilation), ..self }
    }

    /// In groups of channels that don't see one another.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { conv: self.conv.groups(groups), ..self }
    }

    /// With a bias.
    #[must_use]
    pub fn with_bias(self) -> Self {
        Self { bias: true, ..self }
    }

    /// Without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }
}

impl fmt::Display for Conv2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { out_channels, kernel: [height, width], conv, .. } = self;
        write!(f, "conv {height}×{width}")?;
        if conv.stride != [1, 1] {
            write!(f, " stride {}", pair(conv.stride))?;
        }
        if conv.dilation != [1, 1] {
            write!(f, " dilation {}", pair(conv.dilation))?;
        }
        if conv.groups != 1 {
            write!(f, " groups {}", conv.groups)?;
        }
        write!(f, ", {out_channels}")
    }
}

impl Conv2d {
    pub(crate) fn geometry(&self, [h, w, c]: [usize; 3]) -> Result<ConvGeometry, LayerError> {
        LayerError::unless(self.out_channels > 0, "the number of output channels", 0, "at least one")?;
        let group_in = c.checked_div(self.conv.groups).unwrap_or(0);
        let [kh, kw] = self.kernel;
        Ok(self.conv.geometry(&[1, h, w, c], &[kh, kw, group_in, self.out_channels])?)
    }
}

impl Kind for Conv2d {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let image = image(inputs)?;
        let output = self.geometry(image)?.output_shape();
        let [height, width] = self.kernel;
        let weights =
            count(&[height, width, image[2] / self.conv.groups.max(1), self.out_channels]).unwrap_or(usize::MAX);
        bounded(&image, image, &self.conv.padding, &output[1..], weights)?;
        Ok(output[1..].to_vec())
    }

    fn work(&self, input: &[usize], _: &[usize]) -> Work {
        Work::of_convolution(self, input)
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        let ([kh, kw], group_in) = (self.kernel, channels(input) / self.conv.groups.max(1));
        let init = Init::KaimingNormal { fan_in: kh * kw * channels(input) / self.conv.groups.max(1) };
        let weight = ParameterSpec::trained("weight", [kh, kw, group_in, self.out_channels], init);
        ParameterSpec::weight_and_bias(weight.torch_axes(&[2, 3, 1, 0]), self.bias.then_some(self.out_channels))
    }

    fn reach(&self) -> Reach<'_> {
        let Convolution { stride, padding, dilation, .. } = self.conv;
        Reach::Window { kernel: self.kernel, stride, dilation, padding }
    }

    fn fuses(&self) -> Fuses {
        Fuses::Begins
    }

    fn convolution(&self, image: [usize; 3]) -> Option<Result<ConvGeometry, LayerError>> {
        Some(self.geometry(image))
    }

    fn add_bias(&mut self, shape: &[usize]) -> bool {
        let is_added = !self.bias && shape == [self.out_channels];
        self.bias |= is_added;
        is_added
    }
}
