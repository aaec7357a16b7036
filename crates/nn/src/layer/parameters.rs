//! What a layer owns, and the work it does.

use super::Layer;

/// A parameter or a running statistic that a layer owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// `"weight"`, `"bias"`, `"running_mean"` or `"running_var"`.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether it is trained; running statistics are not.
    pub trainable: bool,
}

impl Layer {
    /// The parameters and statistics it owns, for an input of this shape (N left out).
    #[must_use]
    pub fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        let trained = |name, shape: &[usize]| ParameterSpec { name, shape: shape.to_vec(), trainable: true };
        let statistic = |name, shape: &[usize]| ParameterSpec { name, shape: shape.to_vec(), trainable: false };
        let channels = input.last().copied().unwrap_or(0);
        let (weight, bias) = match self {
            Self::Conv2d { out_channels, kernel, conv, bias } => {
                let weight = vec![kernel[0], kernel[1], channels / conv.groups.max(1), *out_channels];
                (weight, bias.then_some(*out_channels))
            }
            Self::ConvTranspose2d { out_channels, kernel: [kh, kw], transposed, bias } => {
                let weight = vec![*kh, *kw, out_channels / transposed.conv.groups.max(1), channels];
                (weight, bias.then_some(*out_channels))
            }
            Self::Linear { out_features, bias } => (vec![channels, *out_features], bias.then_some(*out_features)),
            Self::BatchNorm { .. } => {
                let shape = [channels];
                return vec![
                    trained("weight", &shape),
                    trained("bias", &shape),
                    statistic("running_mean", &shape),
                    statistic("running_var", &shape),
                ];
            }
            Self::LayerNorm { .. } | Self::GroupNorm { .. } => {
                return vec![trained("weight", &[channels]), trained("bias", &[channels])];
            }
            Self::PRelu => return vec![trained("weight", &[channels])],
            Self::Scale { shape } => return vec![trained("weight", shape)],
            Self::Shift { shape } => return vec![trained("bias", shape)],
            _ => return Vec::new(),
        };
        let weight = trained("weight", &weight);
        [Some(weight), bias.map(|outputs| trained("bias", &[outputs]))].into_iter().flatten().collect()
    }

    /// Multiply–adds for one image, and the values that poolings look at: an estimate of the time it takes.
    #[must_use]
    pub fn work(&self, input: &[usize], output: &[usize]) -> u64 {
        match (self, input) {
            (Self::MaxPool(pool) | Self::AvgPool { pool, .. }, &[h, w, _]) => {
                let [rows, columns] = [pool.kernel[0].min(h), pool.kernel[1].min(w)].map(|extent| extent as u64);
                rows.saturating_mul(columns).saturating_mul(output.iter().product::<usize>() as u64)
            }
            _ => self.multiply_adds(input, output),
        }
    }

    /// Multiply–adds for one image: those of convolutions and matrix products; the rest is small beside them.
    #[must_use]
    pub fn multiply_adds(&self, input: &[usize], output: &[usize]) -> u64 {
        let convolution = <[usize; 3]>::try_from(input).ok().and_then(|image| self.convolution(image)?.ok());
        match self {
            Self::Linear { .. } => input.iter().product::<usize>() as u64 * output.iter().product::<usize>() as u64,
            _ => convolution.map_or(0, |geometry| geometry.multiply_adds()),
        }
    }
}
