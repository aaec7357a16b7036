//! Gradients at noisy copies of an image.

use ndarray::Array3;
use nn::Real;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::SmoothGrad;
use crate::error::ExplainError;
use crate::map::{Map, Quantity};
use crate::question::Question;

/// Maps of the mean and variance of gradients, accumulated in double precision (Welford 1962).
pub(super) fn noisy_gradients<T: Real>(
    question: &Question<'_, T>,
    quantity: Quantity,
    noise: SmoothGrad,
    choose: impl Fn(f64, f64) -> f64,
) -> Result<Vec<Map<T>>, ExplainError> {
    let SmoothGrad { samples, relative_sigma, seed } = noise;
    let (pass, resolved) = (question.pass(), question.resolve()?);
    let [height, width, channels] = pass.model().input_shape();
    let mut runner = question.runner(samples);
    let mut map = |image: usize| {
        let values = pass.values_of(image);
        let largest = values.iter().copied().fold(T::neg_infinity(), T::max);
        let smallest = values.iter().copied().fold(T::infinity(), T::min);
        let deviation = relative_sigma * (largest - smallest).as_f64();
        let write = |k: usize, values: &mut [T]| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(k as u64);
            for value in values {
                let noise: f64 = StandardNormal.sample(&mut rng);
                *value += T::from_f64(deviation * noise);
            }
        };
        let (mut mean, mut square) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        runner.gradients(pass.model(), &resolved, &pass.variants(image, samples), write, |k, gradient| {
            for ((mean, square), g) in mean.iter_mut().zip(&mut square).zip(gradient) {
                let before = g.as_f64() - *mean;
                *mean += before / (k + 1) as f64;
                *square += before * (g.as_f64() - *mean);
            }
        })?;
        let zero = mean.iter().chain(&square).all(|&m| m == 0.0);
        let moments = mean.into_iter().zip(square).map(|(mean, square)| choose(mean, square / samples as f64));
        let values: Vec<T> = moments.map(T::from_f64).collect();
        let values = Array3::from_shape_vec((height, width, channels), values).expect("a value for each");
        Ok(runner.traced(pass.pixel_map(image, quantity, values, zero)))
    };
    (0..pass.images()).map(&mut map).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Pass;
    use crate::methods::tests::{gradient, image};

    pub(crate) const SAMPLES: usize = 19;

    /// The gradients at noisy copies of an image, with a relative σ of 0.2 and seed 4.
    pub(crate) fn noisy(pass: &Pass<'_, f64>, index: usize) -> Vec<Array3<f64>> {
        let x = image(pass, index);
        let range = x.iter().copied().fold(f64::MIN, f64::max) - x.iter().copied().fold(f64::MAX, f64::min);
        let sample = |k| {
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            rng.set_stream(k);
            gradient(pass, &x.mapv(|x| x + 0.2 * range * Distribution::<f64>::sample(&StandardNormal, &mut rng)))
        };
        (0..SAMPLES as u64).map(sample).collect()
    }
}
