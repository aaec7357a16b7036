//! Group normalization.

#[cfg(feature = "onnx")]
mod onnx;

use rayon::prelude::*;
use tensor::blocks::grain;
use tensor::channel_sums;
use tensor::pairwise_sum;
use tensor::simd::vectorized;

use super::parameter::channels;
use crate::layers::prelude::*;

/// Groups of neighbouring channels, over all positions of an image, shifted and scaled to mean 0 and variance 1; parameters
/// `weight` (γ) and `bias` (β), both `[C]`. One channel a group is instance normalization. On the tape it is a
/// [`GroupNormalization`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("group norm, {}", self.groups)]
pub struct GroupNorm {
    /// Groups of neighbouring channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl SameShape for GroupNorm {
    fn check(&self, input: &[usize]) -> Result<(), LayerError> {
        let is_finite = (0.0..=f64::MAX).contains(&self.epsilon);
        LayerError::unless(is_finite, "the epsilon of a group norm", self.epsilon, "a finite number from 0")?;
        if input.contains(&0) {
            return Err(LayerError::shape("with values to normalize", input));
        }
        let is_divisor = self.groups > 0 && channels(input).is_multiple_of(self.groups) && !input.is_empty();
        LayerError::unless(is_divisor, "the number of groups", self.groups, "a divisor of the number of channels")
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        // Groups are of neighbouring channels: nothing else fits behind a picture that was flattened in another order.
        let specs = ParameterSpec::scale_and_shift(input);
        specs.into_iter().map(|spec| ParameterSpec { input_axis: None, ..spec }).collect()
    }
}

/// With input x `[N, …, C]`, scale γ `[C]` and shift β `[C]`: in each image by itself, each of G groups of C/G neighbouring
/// channels is moved and scaled to mean 0 and variance 1 over its m values, positions and channels (Wu and He, *Group
/// normalization*, 2018). One channel a group is instance normalization (Ulyanov, Vedaldi and Lempitsky, 2016).
///
/// ```text
/// μ = 1/m Σ x    σ² = 1/m Σ (x − μ)²    r = 1/√(σ² + ε)    x̂ = (x − μ)·r    y = γ·x̂ + β
/// ```
///
/// As for [batch norm in training](crate::layers::BatchNormTraining), with an image's group in the place of the channel, whose γ
/// differ: for ĝ = γ·∂y, which arrives at x̂,
///
/// ```text
/// ∂x = r·(ĝ − 1/m Σ ĝ − x̂ · 1/m Σ ĝ·x̂)       ∂γ = Σ ∂y·x̂       ∂β = Σ ∂y   (over images and positions)
/// ```
#[derive(Debug)]
pub struct GroupNormalization<T: Real> {
    groups: usize,
    /// For each image and channel, μ of its group.
    means: Vec<T>,
    /// For each image and channel, r of its group.
    inverse_deviations: Vec<T>,
}

impl<T: Real> GroupNormalization<T> {
    /// The number of groups, G.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// For each image and channel, r of its group, `[N · C]`.
    #[must_use]
    pub fn inverse_deviations(&self) -> &[T] {
        &self.inverse_deviations
    }
}

/// For each channel, the mean of its group, from each channel's sum over `positions` positions.
fn group_means<T: Real>(sums: &[T], groups: usize, positions: usize) -> Vec<T> {
    let each = sums.len() / groups;
    let count = T::from_f64((each * positions) as f64);
    sums.chunks_exact(each).flat_map(|sums| std::iter::repeat_n(pairwise_sum(sums) / count, each)).collect()
}

impl<T: Real> Op<T> for GroupNormalization<T> {
    fn name(&self) -> &'static str {
        "group norm"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let (x, gamma) = (node.input(0), node.input(1).as_slice());
        let channels = gamma.len();
        let each = (x.len() / x.shape()[0].max(1)).max(1);
        let mut dx = Tensor::scratch(*x.shape());
        let images = dx.make_mut().par_chunks_mut(each).zip(x.as_slice().par_chunks(each));
        let statistics = self.means.par_chunks(channels).zip(self.inverse_deviations.par_chunks(channels));
        let images = images.zip(upstream.as_slice().par_chunks(each).zip(statistics)).with_min_len(grain(each));
        let sums: Vec<[Vec<T>; 2]> = images
            .map(|((dx, x), (dy, (means, r)))| {
                let [mut along, plain] = channel_sums([x, dy], means, |[x, g], mean| [g * (x - mean), g]);
                along.iter_mut().zip(r).for_each(|(along, &r)| *along *= r);
                let weighted = |sums: &[T]| {
                    let weighted: Vec<T> = sums.iter().zip(gamma).map(|(&sum, &gamma)| gamma * sum).collect();
                    group_means(&weighted, self.groups, x.len() / channels)
                };
                let (mean_plain, mean_along) = (weighted(&plain), weighted(&along));
                vectorized(
                    #[inline(always)]
                    || {
                        let pixels = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                        for ((dx, x), dy) in pixels.zip(dy.chunks_exact(channels)) {
                            for c in 0..channels {
                                let normalized = (x[c] - means[c]) * r[c];
                                dx[c] = r[c] * (gamma[c] * dy[c] - mean_plain[c] - normalized * mean_along[c]);
                            }
                        }
                    },
                );
                [along, plain]
            })
            .collect();
        let parameter = |which: usize| {
            let of_channel = |c| pairwise_sum(&sums.iter().map(|sums| sums[which][c]).collect::<Vec<_>>());
            Some(Tensor::from_fn([channels], of_channel))
        };
        Grads::new([Some(dx), parameter(0), parameter(1)])
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }
}

impl Record for GroupNorm {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, gamma, beta) = (run.input(), run.parameter(0), run.parameter(1));
        let (groups, channels) = (self.groups, gamma.value().len());
        let (scale, shift) = (gamma.value().as_slice(), beta.value().as_slice());
        let images = x.shape()[0];
        let each = (x.value().len() / images.max(1)).max(1);
        let (mut means, mut inverse_deviations) =
            (vec![T::zero(); images * channels], vec![T::zero(); images * channels]);
        let mut y = Tensor::scratch(*x.shape());
        let blocks = y.make_mut().par_chunks_mut(each).zip(x.value().as_slice().par_chunks(each));
        let statistics = means.par_chunks_mut(channels).zip(inverse_deviations.par_chunks_mut(channels));
        blocks.zip(statistics).with_min_len(grain(each)).for_each(|((y, x), (means, r))| {
            let positions = x.len() / channels;
            let [sums] = channel_sums([x], scale, |[x], _| [x]);
            means.copy_from_slice(&group_means(&sums, groups, positions));
            let [squares] = channel_sums([x], means, |[x], mean| [(x - mean) * (x - mean)]);
            let variances = group_means(&squares, groups, positions);
            for c in 0..channels {
                r[c] = T::one() / (variances[c] + T::from_f64(self.epsilon)).sqrt();
            }
            vectorized(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        for c in 0..channels {
                            y[c] = (x[c] - means[c]) * r[c] * scale[c] + shift[c];
                        }
                    }
                },
            );
        });
        x.tape().record(GroupNormalization { groups, means, inverse_deviations }, &[&x, gamma, beta], y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::*;

    #[test]
    fn gradients_agree_with_differences() {
        for groups in [1, 2, 6] {
            let inputs = [random([2, 3, 2, 6], 1), random([6], 2), random([6], 3)];
            gradcheck(&inputs, |v| v[0].apply_with(GroupNorm { groups, epsilon: 1e-2 }, &[&v[1], &v[2]]))
                .within(1e-6)
                .unwrap();
        }
    }

    #[test]
    fn it_is_the_definition() {
        let tape = Tape::new();
        let x = tape.leaf(random([2, 5, 4, 6], 1));
        let [gamma, beta] = [2, 3].map(|seed| tape.leaf(random([6], seed)));
        // [N, H, W, G, C/G].
        let grouped = x.reshape([2, 5, 4, 3, 2]);
        let mean = |x: &Var<f64>| x.mean_axes(&[1, 2, 4]).reshape([2, 1, 1, 3, 1]);
        let centred = grouped.sub(&mean(&grouped));
        let normalized = centred.div(&mean(&centred.mul(&centred)).add_scalar(1e-5).sqrt());
        let literal = normalized.reshape([2, 5, 4, 6]).mul(&gamma).add(&beta);
        let y = x.apply_with(GroupNorm { groups: 3, epsilon: 1e-5 }, &[&gamma, &beta]);
        approx::assert_abs_diff_eq!(y.value(), literal.value(), epsilon = 1e-13);
    }
}
