//! Transposed convolution.

#[cfg(feature = "onnx")]
mod onnx;
mod op;

use std::fmt;

use super::display::pair;
use super::inputs::{bounded, image};
use super::parameter::channels;
use crate::geometry::{ConvGeometry, TransposedConvolution};
use crate::layers::limits::count;
use crate::layers::prelude::*;

/// Transposed convolution; parameters `weight` `[Kh, Kw, Cout/groups, Cin]` and `bias` `[Cout]`. On the tape it is a
/// [`TransposedConvolution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Output channels, Cout.
    pub out_channels: usize,
    /// Kernel `[Kh, Kw]`.
    pub kernel: [usize; 2],
    /// The convolution that it is the transpose of, and output padding.
    pub transposed: TransposedConvolution,
    /// Whether a bias is added.
    pub bias: bool,
}

impl ConvTranspose2d {
    /// A `size`×`size` kernel with a bias, the transpose of this convolution.
    #[must_use]
    pub fn new(out_channels: usize, size: usize, transposed: impl Into<TransposedConvolution>) -> Self {
        Self { out_channels, kernel: [size; 2], transposed: transposed.into(), bias: true }
    }

    /// Without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    fn geometry(&self, [h, w, c]: [usize; 3]) -> Result<ConvGeometry, LayerError> {
        let ([kh, kw], groups) = (self.kernel, self.transposed.conv.groups);
        let (found, expected) = ((self.out_channels, groups), "as many channels in each group");
        let is_whole = self.out_channels > 0 && groups > 0 && self.out_channels.is_multiple_of(groups);
        LayerError::unless(is_whole, "(output channels, groups)", found, expected)?;
        Ok(self.transposed.geometry(&[1, h, w, c], &[kh, kw, self.out_channels / groups, c])?)
    }
}

impl fmt::Display for ConvTranspose2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { out_channels, kernel: [height, width], transposed, .. } = self;
        write!(f, "transposed conv {height}×{width}")?;
        if transposed.conv.stride != [1, 1] {
            write!(f, " stride {}", pair(transposed.conv.stride))?;
        }
        write!(f, ", {out_channels}")
    }
}

impl Kind for ConvTranspose2d {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let image = image(inputs)?;
        let output = self.geometry(image)?.input_shape();
        // The kernels pad the output, which is the input of the convolution that this is the transpose of.
        let [_, h, w, c] = output;
        let weights = count(&[self.kernel[0], self.kernel[1], c / self.transposed.conv.groups, image[2]]);
        bounded(&image, [h, w, c], &self.transposed.conv.padding, &output[1..], weights.unwrap_or(usize::MAX))?;
        Ok(output[1..].to_vec())
    }

    fn work(&self, input: &[usize], _: &[usize]) -> Work {
        Work::of_convolution(self, input)
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Scaled
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        let ([kh, kw], groups) = (self.kernel, self.transposed.conv.groups.max(1));
        // An output meets every stride-th tap.
        let taps: usize =
            self.kernel.iter().zip(self.transposed.conv.stride).map(|(k, s)| k.div_ceil(s.max(1))).product();
        let init = Init::KaimingNormal { fan_in: taps * channels(input) / groups };
        let weight = ParameterSpec::trained("weight", [kh, kw, self.out_channels / groups, channels(input)], init);
        ParameterSpec::weight_and_bias(weight.torch_axes(&[2, 3, 1, 0]), self.bias.then_some(self.out_channels))
    }

    fn convolution(&self, image: [usize; 3]) -> Option<Result<ConvGeometry, LayerError>> {
        Some(self.geometry(image))
    }
}
