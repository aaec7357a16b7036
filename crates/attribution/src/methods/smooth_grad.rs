//! SmoothGrad and VarGrad.

use std::ops::ControlFlow;

use nn::Real;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tensor::Tensor;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::pass::Pass;
use crate::saliency::Saliency;
use crate::target::Target;
use crate::variants::{Progress, Runner};

/// The noise of [SmoothGrad](Pass::smooth_grad) and [VarGrad](Pass::var_grad).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Noisy copies of each image, n.
    pub samples: usize,
    /// The noise's standard deviation, as a share of the image's largest value less its smallest. The paper finds 0.1 to
    /// 0.2 to work well.
    pub share: f64,
    /// Seed; every image gets the same noise.
    pub seed: u64,
}

impl Default for Noise {
    fn default() -> Self {
        Self { samples: 50, share: 0.15, seed: 0 }
    }
}

impl<T: Real> Pass<'_, T> {
    /// SmoothGrad: the mean of the gradients at noisy copies of the image, `[H, W, C]`. (Smilkov, Thorat, Kim, Viégas and
    /// Wattenberg, *SmoothGrad: removing noise by adding noise*, 2017.)
    ///
    /// ```text
    /// M = 1/n Σ_k ∂S/∂x (x + ε_k),    ε_k ~ N(0, σ²),    σ = share · (max x − min x)
    /// ```
    ///
    /// # Errors
    /// Without samples, where the target doesn't fit, or when `progress` breaks it off.
    pub fn smooth_grad(
        &self,
        target: impl Into<Target<T>>,
        noise: Noise,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation<Saliency<T>>, ExplainError> {
        self.noisy_gradients("SmoothGrad", &target.into(), noise, progress, |mean, _| mean)
    }

    /// VarGrad: the variance of those gradients, 1/n Σ (g_k − mean)², `[H, W, C]`, never negative. (Adebayo, Gilmer,
    /// Goodfellow and Kim, *Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values*, 2018.)
    ///
    /// # Errors
    /// As for [`smooth_grad`](Self::smooth_grad).
    pub fn var_grad(
        &self,
        target: impl Into<Target<T>>,
        noise: Noise,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation<Saliency<T>>, ExplainError> {
        self.noisy_gradients("VarGrad", &target.into(), noise, progress, |_, variance| variance)
    }

    /// A map of the gradients' mean and variance, which are gathered in double precision (Welford 1962).
    fn noisy_gradients(
        &self,
        method: &'static str,
        target: &Target<T>,
        noise: Noise,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
        choose: impl Fn(f64, f64) -> f64,
    ) -> Result<Explanation<Saliency<T>>, ExplainError> {
        let Noise { samples, share, seed } = noise;
        if samples == 0 || !(share >= 0.0 && share.is_finite()) {
            let found = format!("noise needs at least one sample and a share that isn't negative, found {noise:?}");
            return Err(ExplainError::Setting(found));
        }
        let resolved = self.resolve(target)?;
        let mut runner = Runner::new(self.images() * samples, &mut progress);
        let mut maps = Tensor::zeros(self.input().shape());
        let mut zero = Vec::new();
        for image in 0..self.images() {
            let values = self.values_of(image);
            let largest = values.iter().copied().fold(T::neg_infinity(), T::max);
            let smallest = values.iter().copied().fold(T::infinity(), T::min);
            let deviation = share * (largest - smallest).as_f64();
            let write = |k: usize, values: &mut [T]| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(k as u64);
                for value in values {
                    let noise: f64 = StandardNormal.sample(&mut rng);
                    *value += T::from_f64(deviation * noise);
                }
            };
            let (mut mean, mut square) = (vec![0.0; values.len()], vec![0.0; values.len()]);
            runner.gradients(self.model, &resolved, &self.variants(image, samples), write, |k, gradient| {
                for ((mean, square), g) in mean.iter_mut().zip(&mut square).zip(gradient) {
                    let before = g.as_f64() - *mean;
                    *mean += before / (k + 1) as f64;
                    *square += before * (g.as_f64() - *mean);
                }
            })?;
            zero.push(mean.iter().chain(&square).all(|&m| m == 0.0));
            let map = &mut maps.make_mut()[image * values.len()..][..values.len()];
            for ((m, mean), square) in map.iter_mut().zip(mean).zip(square) {
                *m = T::from_f64(choose(mean, square / samples as f64));
            }
        }
        let maps = zero.into_iter().enumerate().map(|(image, zero)| self.saliency_of(image, &maps, zero));
        Ok(self.input_level(method, target, maps.collect()))
    }
}
