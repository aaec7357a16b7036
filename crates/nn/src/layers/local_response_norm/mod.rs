//! Local response normalization.

#[cfg(feature = "onnx")]
mod onnx;
mod op;

use crate::layers::inputs::image;
use crate::layers::limits::count;
use crate::layers::prelude::*;

/// Each value divided by a power of the squares of its pixel's neighbouring channels, `[N, H, W, C]` → `[N, H, W, C]`, as
/// AlexNet has it behind its first two ReLUs (Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep
/// convolutional neural networks*, 2012, §3.3). It has no parameters.
///
/// ```text
/// y_c = x_c · s_c^−β       s_c = k + α/n · Σ x_d² over d = c − ⌊(n−1)/2⌋ … c + ⌈(n−1)/2⌉ within the channels
/// ```
///
/// As in ONNX and PyTorch, α is divided by n, which it isn't in the paper. For an even n, PyTorch's windows reach one channel
/// further to the left than to the right, and these one further to the right.
///
/// x_j stands in its own numerator and in the windows of the channels c = j − ⌈(n−1)/2⌉ … j + ⌊(n−1)/2⌋, where
/// `∂s_c/∂x_j = 2α/n · x_j`:
///
/// ```text
/// ∂x_j = ∂y_j · s_j^−β − 2αβ/n · x_j · Σ_c ∂y_c · x_c · s_c^(−β−1)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("local response norm, {}", self.size)]
pub struct LocalResponseNorm {
    /// n, the number of channels in a window.
    pub size: usize,
    /// α, the weight of the squares' mean.
    pub alpha: f64,
    /// β, the exponent.
    pub beta: f64,
    /// k, added to the weighted mean.
    pub k: f64,
}

impl LocalResponseNorm {
    /// Windows of `size` channels, α = 10⁻⁴, β = 0.75 and k = 1.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }

    /// The channels before and after its own that a window has, where there are `channels` in all.
    fn reaches(&self, channels: usize) -> [usize; 2] {
        let others = self.size.saturating_sub(1);
        [others / 2, others.div_ceil(2)].map(|reach| reach.min(channels.saturating_sub(1)))
    }
}

impl Kind for LocalResponseNorm {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let input = image(inputs)?;
        LayerError::unless(self.size > 0, "the size of a local response norm", self.size, "a channel or more")?;
        for (setting, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            LayerError::unless((0.0..=f64::MAX).contains(&value), setting, value, "a finite number from 0")?;
        }
        LayerError::unless(self.k > 0.0 && self.k.is_finite(), "k", self.k, "a finite number above 0")?;
        Ok(input.into())
    }

    fn work(&self, input: &[usize], _: &[usize]) -> Work {
        let [before, after] = self.reaches(input.last().copied().unwrap_or(0));
        let values = count(input).unwrap_or(usize::MAX) as u64;
        Work { multiply_adds: 0, looked_at: values.saturating_mul((before + 1 + after) as u64) }
    }

    fn reach(&self) -> Reach<'_> {
        Reach::SamePlace
    }
}
