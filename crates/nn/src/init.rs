//! Weights to start from.

use rand::Rng;
use rand_distr::{Distribution, Normal, Uniform};
use tensor::{Shape, Tensor};

use crate::conv_transpose2d::ConvTranspose2d;
use crate::layer::Layer;

/// Normal with deviation √(2 / fan-in), which keeps the variance of activations through ReLUs (He et al. 2015, eq. 10).
#[must_use]
pub fn kaiming_normal(shape: impl Into<Shape>, fan_in: usize, rng: &mut impl Rng) -> Tensor<f32> {
    let deviation = (2.0 / fan_in.max(1) as f32).sqrt();
    let normal = Normal::new(0.0, deviation).expect("a deviation that is finite");
    Tensor::from_fn(shape, |_| normal.sample(rng))
}

/// Uniform within ±√(6 / (fan-in + fan-out)) (Glorot & Bengio 2010, eq. 16).
#[must_use]
pub fn xavier_uniform(shape: impl Into<Shape>, fan_in: usize, fan_out: usize, rng: &mut impl Rng) -> Tensor<f32> {
    let bound = (6.0 / (fan_in + fan_out).max(1) as f32).sqrt();
    let uniform = Uniform::new(-bound, bound).expect("bounds that are finite");
    Tensor::from_fn(shape, |_| uniform.sample(rng))
}

/// The starting value of a layer's parameter.
pub(crate) fn parameter(
    layer: &Layer,
    name: &str,
    in_channels: usize,
    shape: &[usize],
    rng: &mut impl Rng,
) -> Tensor<f32> {
    let kind = name.rsplit('.').next().unwrap_or(name);
    match (layer, kind) {
        (Layer::Conv2d { kernel, conv, .. }, "weight") => {
            kaiming_normal(shape, kernel[0] * kernel[1] * in_channels / conv.groups, rng)
        }
        (Layer::ConvTranspose2d { kernel, transposed: ConvTranspose2d { conv, .. }, .. }, "weight") => {
            // An output meets every stride-th tap.
            let taps: usize = kernel.iter().zip(conv.stride).map(|(k, s)| k.div_ceil(s)).product();
            kaiming_normal(shape, taps * in_channels / conv.groups, rng)
        }
        (Layer::Linear { out_features, .. }, "weight") => xavier_uniform(shape, in_channels, *out_features, rng),
        (Layer::BatchNorm { .. }, "weight" | "running_var")
        | (Layer::Scale { .. } | Layer::LayerNorm { .. } | Layer::GroupNorm { .. }, "weight") => {
            Tensor::full(shape, 1.0)
        }
        // PyTorch's.
        (Layer::PRelu, "weight") => Tensor::full(shape, 0.25),
        _ => Tensor::zeros(shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn distributions_have_the_deviation_they_promise() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let deviation =
            |t: &Tensor<f32>| (t.as_slice().iter().map(|x| f64::from(x * x)).sum::<f64>() / t.len() as f64).sqrt();
        let kaiming = kaiming_normal([200, 200], 50, &mut rng);
        assert!((deviation(&kaiming) / 0.2 - 1.0).abs() < 0.02);
        let xavier = xavier_uniform([200, 200], 90, 60, &mut rng);
        assert!((deviation(&xavier) / (0.2 / 3.0_f64.sqrt()) - 1.0).abs() < 0.02);
        assert!(xavier.as_slice().iter().all(|x| x.abs() <= 0.2));
    }
}
