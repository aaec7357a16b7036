//! Layer normalization.

#[cfg(feature = "onnx")]
mod onnx;

use rayon::prelude::*;
use tensor::blocks::grain;
use tensor::channel_sums;
use tensor::simd::vectorized;

use crate::layers::prelude::*;

/// Each pixel's channels, or a row's, shifted and scaled to mean 0 and variance 1; parameters `weight` (γ) and `bias` (β), both
/// `[C]`. On the tape it is a [`LayerNormalization`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("layer norm")]
pub struct LayerNorm {
    /// Added to the variance.
    pub epsilon: f64,
}

impl SameShape for LayerNorm {
    fn check(&self, input: &[usize]) -> Result<(), LayerError> {
        let is_finite = (0.0..=f64::MAX).contains(&self.epsilon);
        LayerError::unless(is_finite, "the epsilon of a layer norm", self.epsilon, "a finite number from 0")?;
        if input.contains(&0) { Err(LayerError::shape("with values to normalize", input)) } else { Ok(()) }
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        ParameterSpec::scale_and_shift(input)
    }
}

/// With input x `[…, C]`, scale γ `[C]` and shift β `[C]`: each row of C values by itself, a pixel's channels, is moved and
/// scaled to mean 0 and variance 1 (Ba, Kiros and Hinton, *Layer normalization*, 2016):
///
/// ```text
/// μ = 1/C Σ x_c    σ² = 1/C Σ (x_c − μ)²    r = 1/√(σ² + ε)    x̂ = (x − μ)·r    y = γ·x̂ + β
/// ```
///
/// As for [batch norm in training](crate::layers::BatchNormTraining), with the row in the place of the channel: for ĝ = γ·∂y, which
/// arrives at x̂,
///
/// ```text
/// ∂x_c = r·(ĝ_c − 1/C Σ ĝ − x̂_c · 1/C Σ ĝ·x̂)       ∂γ = Σ ∂y·x̂       ∂β = Σ ∂y   (over all rows)
/// ```
#[derive(Debug)]
pub struct LayerNormalization<T: Real> {
    /// μ of each row.
    means: Vec<T>,
    /// r of each row.
    inverse_deviations: Vec<T>,
}

/// Partial sums of a row, for the vector unit's sake.
const LANES: usize = 32;
/// How many of them are taken at once: as many as the compiler keeps in a register.
const GROUP: usize = 8;

/// Σ f(a, b) over two rows.
#[inline(always)]
fn sum<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for first in (0..LANES).step_by(GROUP) {
        let mut group = [T::zero(); GROUP];
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for l in 0..GROUP {
                group[l] += f(a[first + l], b[first + l]);
            }
        }
        lanes[first..][..GROUP].copy_from_slice(&group);
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += f(a, b);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

impl<T: Real> LayerNormalization<T> {
    /// r of each row.
    #[must_use]
    pub fn inverse_deviations(&self) -> &[T] {
        &self.inverse_deviations
    }

    /// x̂.
    fn normalized(&self, x: &Tensor<T>, channels: usize) -> Tensor<T> {
        let mut normalized = x.clone();
        let rows = normalized.make_mut().chunks_exact_mut(channels);
        for (row, (&mean, &r)) in rows.zip(self.means.iter().zip(&self.inverse_deviations)) {
            row.iter_mut().for_each(|x| *x = (*x - mean) * r);
        }
        normalized
    }
}

impl<T: Real> Op<T> for LayerNormalization<T> {
    fn name(&self) -> &'static str {
        "layer norm"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, gamma) = (node.input(0), node.input(1).as_slice());
        let channels = gamma.len();
        let parameters = (wanted.has(1) || wanted.has(2)).then(|| {
            let normalized = self.normalized(x, channels);
            let sums = channel_sums([upstream.as_slice(), normalized.as_slice()], gamma, |[g, x], _| [g * x, g]);
            sums.map(|sums| Some(Tensor::new([channels], sums)))
        });
        let dx = wanted.then(0, || {
            let (mut dx, count) = (Tensor::scratch(*x.shape()), T::from_f64(channels as f64));
            let block = channels * grain(channels);
            let rows = block / channels;
            let blocks = dx.make_mut().par_chunks_mut(block).zip(x.as_slice().par_chunks(block));
            let statistics = self.means.par_chunks(rows).zip(self.inverse_deviations.par_chunks(rows));
            let blocks = blocks.zip(upstream.as_slice().par_chunks(block).zip(statistics));
            blocks.for_each(|((dx, x), (dy, (means, inverse_deviations)))| {
                vectorized(
                    #[inline(always)]
                    || {
                        let rows = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                        let rows = rows.zip(dy.chunks_exact(channels)).zip(means.iter().zip(inverse_deviations));
                        for (((dx, x), dy), (&mean, &r)) in rows {
                            for c in 0..channels {
                                dx[c] = gamma[c] * dy[c];
                            }
                            let plain = sum(dx, x, |g, _| g) / count;
                            let along = sum(dx, x, |g, x| g * (x - mean)) * r / count;
                            for c in 0..channels {
                                dx[c] = r * (dx[c] - plain - (x[c] - mean) * r * along);
                            }
                        }
                    },
                );
            });
            dx
        });
        let [dgamma, dbeta] = parameters.unwrap_or_default();
        Grads::new([dx, dgamma, dbeta])
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }
}

impl Record for LayerNorm {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, gamma, beta) = (run.input(), run.parameter(0), run.parameter(1));
        let channels = gamma.value().len();
        let (count, epsilon) = (T::from_f64(channels as f64), T::from_f64(self.epsilon));
        let (scale, shift) = (gamma.value().as_slice(), beta.value().as_slice());
        let rows = x.value().len() / channels;
        let (mut means, mut inverse_deviations) = (vec![T::zero(); rows], vec![T::zero(); rows]);
        let mut y = Tensor::scratch(*x.shape());
        let rows = grain(channels);
        let block = channels * rows;
        let blocks = y.make_mut().par_chunks_mut(block).zip(x.value().as_slice().par_chunks(block));
        let statistics = means.par_chunks_mut(rows).zip(inverse_deviations.par_chunks_mut(rows));
        blocks.zip(statistics).for_each(|((y, x), (means, inverse_deviations))| {
            vectorized(
                #[inline(always)]
                || {
                    let rows = y.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                    for ((y, x), (mean, r)) in rows.zip(means.iter_mut().zip(inverse_deviations)) {
                        let centre = sum(x, x, |x, _| x) / count;
                        let variance = sum(x, x, |x, _| (x - centre) * (x - centre)) / count;
                        (*mean, *r) = (centre, T::one() / (variance + epsilon).sqrt());
                        for c in 0..channels {
                            y[c] = (x[c] - centre) * *r * scale[c] + shift[c];
                        }
                    }
                },
            );
        });
        x.tape().record(LayerNormalization { means, inverse_deviations }, &[&x, gamma, beta], y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::*;

    #[test]
    fn gradients_agree_with_differences() {
        for channels in [1, 3, 70] {
            let inputs = [random([2, 3, 2, channels], 1), random([channels], 2), random([channels], 3)];
            gradcheck(&inputs, |v| v[0].apply_with(LayerNorm { epsilon: 1e-2 }, &[&v[1], &v[2]])).within(1e-6).unwrap();
        }
    }

    #[test]
    fn it_is_the_definition() {
        let tape = Tape::new();
        let x = tape.leaf(random([2, 5, 4, 33], 1));
        let [gamma, beta] = [2, 3].map(|seed| tape.leaf(random([33], seed)));
        let mean = |x: &Var<f64>| x.mean_axes(&[3]).reshape([2, 5, 4, 1]);
        let centred = x.sub(&mean(&x));
        let deviation = mean(&centred.mul(&centred)).add_scalar(1e-5).sqrt();
        let literal = centred.div(&deviation).mul(&gamma).add(&beta);
        let y = x.apply_with(LayerNorm { epsilon: 1e-5 }, &[&gamma, &beta]);
        approx::assert_abs_diff_eq!(y.value(), literal.value(), epsilon = 1e-13);
    }

    #[test]
    fn rows_do_not_depend_on_others_or_on_threads() {
        let row = |x: Tensor<f32>| {
            let tape = Tape::new();
            let [gamma, beta] = [2, 3].map(|seed| tape.leaf(random([300], seed).cast()));
            tape.leaf(x).apply_with(LayerNorm { epsilon: 1e-5 }, &[&gamma, &beta]).value().clone()
        };
        let x: Tensor<f32> = random([500, 300], 1).cast();
        let last = Tensor::new([1, 300], x.as_slice()[499 * 300..].to_vec());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let all = pool.install(|| row(x));
        assert_eq!(all.as_slice()[499 * 300..], *row(last).as_slice());
    }
}
