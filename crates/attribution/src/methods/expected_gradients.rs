//! Expected gradients.

use ndarray::Array3;
use nn::{Model, Real};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::{Tensor, pairwise_sum};

use super::integrated_gradients::Completeness;
use super::prelude::*;
use super::settings::to_value;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "expected-gradients",
    title: "expected gradients",
    source: "Erion et al. 2021",
    formula: "integrated gradients, averaged over many baselines: a random baseline and a random point of the way for each sample",
    looks_at: LooksAt::Input,
    quantity: Quantity::Contribution,
    cost: Cost::Gradients,
    tells: "how the difference between this score and the mean score of many baselines is shared out among the pixels, up to chance",
    does_not_tell: "anything without those baselines; and with few samples much of it is noise",
    elsewhere: &["GradientShap"],
    chapter: "chapter_11_other_readings",
};

/// Expected gradients, also known as GradientSHAP: integrated gradients, averaged over a distribution of baselines, `[H, W, C]`.
/// (Erion, Janizek, Sturmfels, Lundberg and Lee, *Improving Performance of Deep Learning Models with Axiomatic Attribution Priors
/// and Expected Gradients*, 2021, eq. 3.)
///
/// ```text
/// M = E[(x − x₀) ⊙ ∂S/∂x (x₀ + t (x − x₀))]  ≈  1/n Σ_k (x − x₀ₖ) ⊙ ∂S/∂x (x₀ₖ + tₖ (x − x₀ₖ)),    tₖ ~ U(0, 1)
/// ```
///
/// In expectation the map adds up to S(x) − E[S(x₀)]. No baseline is special, so a pixel that equals one of them isn't ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedGradients {
    /// Number of samples, n.
    pub samples: usize,
    /// Where the baselines come from.
    pub background: Background,
    /// The seed. Every image gets the same draws.
    pub seed: u64,
}

/// The distribution of the baselines of [`ExpectedGradients`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Background {
    /// Pictures of one colour, that of a random pixel of the image.
    #[default]
    Colours,
    /// Pictures, `[B, H, W, C]`, already preprocessed: some of the training set, as in the paper.
    #[serde(skip)]
    Pictures(Tensor<f64>),
}

impl Default for ExpectedGradients {
    fn default() -> Self {
        Self { samples: 100, background: Background::Colours, seed: 0 }
    }
}

impl ExpectedGradients {
    /// Writes baseline k for an image, and returns its t.
    fn draw<T: Real>(&self, k: usize, image: &[T], channels: usize, baseline: &mut [T]) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(k as u64);
        match &self.background {
            Background::Colours => {
                let pixel = rng.random_range(0..image.len() / channels);
                let colour = &image[pixel * channels..][..channels];
                baseline.chunks_exact_mut(channels).for_each(|values| values.copy_from_slice(colour));
            }
            Background::Pictures(pictures) => {
                let values = crate::pass::one_of(pictures, rng.random_range(0..pictures.shape()[0]));
                baseline.iter_mut().zip(values).for_each(|(value, &v)| *value = T::from_f64(v));
            }
        }
        rng.random()
    }

    /// The maps, and the completeness of each.
    ///
    /// # Errors
    /// The same as for [`explain_each`](Question::explain_each).
    pub fn with_completeness<T: Real>(
        &self,
        question: &Question<'_, T>,
    ) -> Result<Vec<(Map<T>, Completeness)>, ExplainError> {
        let pass = question.pass();
        self.check(pass)?;
        let channels = pass.model().input_shape()[2];
        expected_gradients(question, self.samples, |k, image, baseline| self.draw(k, image, channels, baseline))
    }
}

/// Expected gradients with draws of your own: `draw(k, image, baseline)` writes the baseline of sample k `[H, W, C]` for an image
/// and returns the point t of the way between them, in [0, 1].
///
/// # Errors
/// The same as for [`explain_each`](Question::explain_each).
pub fn expected_gradients<T: Real>(
    question: &Question<'_, T>,
    samples: usize,
    draw: impl Fn(usize, &[T], &mut [T]) -> f64,
) -> Result<Vec<(Map<T>, Completeness)>, ExplainError> {
    let (pass, resolved) = (question.pass(), question.resolve()?);
    let model = pass.model();
    let [height, width, channels] = model.input_shape();
    let mut runner = question.runner(2 * samples);
    let ends = pass.scores_of(&resolved)?;
    let mut map = |image: usize| {
        let x = pass.values_of(image);
        let baseline = |k: usize| {
            let mut baseline = vec![T::zero(); x.len()];
            let t = draw(k, x, &mut baseline);
            (baseline, T::from_f64(t))
        };
        let on_the_way = |k: usize, values: &mut [T]| {
            let (baseline, t) = baseline(k);
            values.iter_mut().zip(&baseline).for_each(|(x, &x0)| *x = x0 + t * (*x - x0));
        };
        let (mut sum, mut each, mut zero) = (vec![T::zero(); x.len()], Vec::new(), true);
        runner.gradients(model, &resolved, &pass.variants(image, samples), on_the_way, |k, gradient| {
            let (baseline, _) = baseline(k);
            let products = gradient.iter().zip(x.iter().zip(&baseline)).map(|(&g, (&x, &x0))| (x - x0) * g);
            let products: Vec<T> = products.collect();
            sum.iter_mut().zip(&products).for_each(|(sum, &product)| *sum += product);
            each.push(pairwise_sum(&products.iter().map(|p| p.as_f64()).collect::<Vec<_>>()));
            zero &= gradient.iter().all(|g| g.is_zero());
        })?;
        let start = |k: usize, values: &mut [T]| {
            draw(k, x, values);
        };
        let starts = runner.scores(&resolved, &pass.variants(image, samples), start, |x| resolved.predict(model, x))?;
        let count = T::from_f64(samples as f64);
        let values = sum.into_iter().map(|sum| sum / count).collect();
        let values = Array3::from_shape_vec((height, width, channels), values).expect("a value for each");
        let falls: Vec<f64> = starts.iter().map(|start| (ends[image] - *start).as_f64()).collect();
        let completeness = in_expectation(&each, &falls);
        Ok((runner.traced(pass.pixel_map(image, ABOUT.quantity, values, zero)), completeness))
    };
    (0..pass.images()).map(&mut map).collect()
}

/// The completeness of means: both sides have the same expectation.
fn in_expectation(attributed: &[f64], differences: &[f64]) -> Completeness {
    let count = attributed.len() as f64;
    let mean = |values: &[f64]| pairwise_sum(values) / count;
    let errors: Vec<f64> = attributed.iter().zip(differences).map(|(a, d)| a - d).collect();
    let squares: Vec<f64> = errors.iter().map(|error| (error - mean(&errors)).powi(2)).collect();
    let uncertainty = (pairwise_sum(&squares) / (count - 1.0).max(1.0) / count).sqrt();
    Completeness { attributed: mean(attributed), difference: mean(differences), uncertainty }
}

impl<T: Real> Method<T> for ExpectedGradients {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        let [height, width, channels] = pass.model().input_shape();
        if self.samples == 0 {
            return Err(ExplainError::Setting("expected samples of at least 1, found 0".into()));
        }
        match &self.background {
            Background::Colours => Ok(()),
            Background::Pictures(pictures) => match pictures.shape()[..] {
                [1..=usize::MAX, h, w, c] if [h, w, c] == [height, width, channels] => Ok(()),
                _ => Err(ExplainError::Setting(format!(
                    "expected background pictures [B, {height}, {width}, {channels}], found {:?}",
                    &pictures.shape()[..]
                ))),
            },
        }
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        Ok(self.with_completeness(question)?.into_iter().map(|(map, _)| map).collect())
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array3;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use tensor::Tensor;

    use super::super::tests::{gradient, image, near_each, score, with_pass};
    use super::{Background, ExpectedGradients};
    use crate::testing::{INPUT, images, wave};

    const SAMPLES: usize = 21;

    pub(crate) fn check() {
        let pictures = wave::<f64>([3, INPUT[0], INPUT[1], INPUT[2]], 8.0);
        for background in [Background::Colours, Background::Pictures(pictures.clone())] {
            let method = ExpectedGradients { samples: SAMPLES, seed: 5, background: background.clone() };
            with_pass(|pass| {
                for (index, (map, completeness)) in method.with_completeness(&pass.why(1)).unwrap().iter().enumerate() {
                    let x = image(pass, index);
                    let mut sum = Array3::<f64>::zeros(INPUT);
                    let (mut attributed, mut fallen) = (Vec::new(), Vec::new());
                    for k in 0..SAMPLES {
                        let mut rng = ChaCha8Rng::seed_from_u64(5);
                        rng.set_stream(k as u64);
                        let start = if background == Background::Colours {
                            let pixel = rng.random_range(0..72);
                            Array3::from_shape_fn(INPUT, |(_, _, c)| x[[pixel / 8, pixel % 8, c]])
                        } else {
                            let picture = rng.random_range(0..3);
                            Array3::from_shape_fn(INPUT, |(i, j, c)| pictures.view()[[picture, i, j, c]])
                        };
                        let t: f64 = rng.random();
                        let part = (&x - &start) * gradient(pass, &(&start + t * (&x - &start)));
                        attributed.push(part.sum());
                        fallen.push(score(pass, &x) - score(pass, &start));
                        sum += &part;
                    }
                    near_each(map.raw(), &(sum / SAMPLES as f64), "expected gradients");
                    let mean = |values: &[f64]| values.iter().sum::<f64>() / SAMPLES as f64;
                    assert!((completeness.attributed - mean(&attributed)).abs() < 1e-12);
                    assert!((completeness.difference - mean(&fallen)).abs() < 1e-12);
                    let errors: Vec<f64> = attributed.iter().zip(&fallen).map(|(a, f)| a - f).collect();
                    let variance = errors.iter().map(|e| (e - mean(&errors)).powi(2)).sum::<f64>() / (SAMPLES - 1) as f64;
                    assert!((completeness.uncertainty - (variance / SAMPLES as f64).sqrt()).abs() < 1e-12);
                }
            });
        }
        refusals();
    }

    fn refusals() {
        with_pass(|pass| {
            let message = |method: ExpectedGradients| pass.why(1).explain_each(&method).unwrap_err().to_string();
            let plain = ExpectedGradients::default;
            assert!(message(ExpectedGradients { samples: 0, ..plain() }).contains("samples of at least 1"));
            let background = Background::Pictures(Tensor::zeros([2, 3, 3, 2]));
            let found = message(ExpectedGradients { background, ..plain() });
            assert!(found.contains("expected background pictures [B, 9, 8, 2], found [2, 3, 3, 2]"), "{found}");
            let background = Background::Pictures(images::<f64>(2).slice(0, 0..0));
            assert!(message(ExpectedGradients { background, ..plain() }).contains("found [0, 9, 8, 2]"));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_pass;
    use super::*;

    /// Completeness in expectation: over many seeds the error is within three standard errors nearly always, and is as large as
    /// they say.
    #[test]
    fn the_error_is_as_large_as_its_standard_error_says() {
        with_pass(|pass| {
            let of_seed = |seed| {
                let method = ExpectedGradients { samples: 40, seed, ..ExpectedGradients::default() };
                let (_, completeness) = method.with_completeness(&pass.why(1)).unwrap().swap_remove(0);
                completeness.error() / completeness.uncertainty
            };
            let errors: Vec<f64> = (0..40).map(of_seed).collect();
            assert!(errors.iter().filter(|error| error.abs() < 3.0).count() >= 38, "{errors:?}");
            let spread = (errors.iter().map(|error| error * error).sum::<f64>() / 40.0).sqrt();
            assert!((0.6..1.6).contains(&spread), "{spread}");
        });
    }
}
