//! Batch normalization by the batch's own statistics.

use tensor::blocks::{BLOCK, zip_by_channel};
use tensor::channel_sums;

use super::{ChannelStatistics, centred_affine, channels};
use crate::layers::prelude::*;

/// With input x `[…, C]`, scale γ `[C]`, shift β `[C]`, and m values in each channel (m = N·H·W); all sums over i = 1 … m
/// run within a channel:
///
/// ```text
/// μ = 1/m Σᵢ xᵢ       σ² = 1/m Σᵢ (xᵢ − μ)²       r = 1/√(σ² + ε)       x̂ᵢ = (xᵢ − μ)·r       yᵢ = γ·x̂ᵢ + β
/// ```
///
/// # Derivation
///
/// γ and β appear in the last equation alone:
///
/// ```text
/// ∂β = Σᵢ ∂yᵢ             ∂γ = Σᵢ ∂yᵢ·x̂ᵢ             ∂x̂ᵢ = γ·∂yᵢ
/// ```
///
/// xⱼ acts on x̂ᵢ in three ways: directly where i = j, through μ and through r. First the statistics:
///
/// ```text
/// ∂μ/∂xⱼ  = 1/m
/// ∂σ²/∂xⱼ = 2/m (xⱼ − μ) − 2/m Σᵢ (xᵢ − μ)·∂μ/∂xⱼ = 2/m (xⱼ − μ)          since Σᵢ (xᵢ − μ) = 0
/// ∂r/∂xⱼ  = −½ (σ² + ε)^(−3/2) · ∂σ²/∂xⱼ = −r³ (xⱼ − μ)/m = −r² x̂ⱼ/m
/// ```
///
/// then, by the product rule, with δᵢⱼ = 1 where i = j and 0 elsewhere,
///
/// ```text
/// ∂x̂ᵢ/∂xⱼ = (δᵢⱼ − 1/m)·r + (xᵢ − μ)·∂r/∂xⱼ = r·(δᵢⱼ − 1/m − x̂ᵢ x̂ⱼ/m)
/// ```
///
/// and summed against ∂x̂ᵢ = γ·∂yᵢ:
///
/// ```text
/// ∂xⱼ = γ·r·(∂yⱼ − 1/m Σᵢ ∂yᵢ − x̂ⱼ · 1/m Σᵢ ∂yᵢ·x̂ᵢ) = γ·r·(∂yⱼ − ∂β/m − x̂ⱼ·∂γ/m)
/// ```
///
/// So the gradient loses its mean and its part along x̂: moving all x alike, or stretching them, leaves x̂ as it is (up to
/// ε).
#[derive(Debug)]
pub struct BatchNormTraining<T: Real> {
    mean: Tensor<T>,
    /// r.
    inverse_deviation: Tensor<T>,
}

impl<T: Real> Op<T> for BatchNormTraining<T> {
    fn name(&self) -> &'static str {
        "batch norm (training)"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, gamma) = (node.input(0), node.input(1).as_slice());
        let [dgamma, dbeta] = parameter_gradients(x, &upstream, &self.mean, &self.inverse_deviation);
        let dx = wanted.then(0, || {
            let (mean, r) = (self.mean.as_slice(), self.inverse_deviation.as_slice());
            let m = T::from_f64((x.len() / mean.len().max(1)) as f64);
            // ∂x = a·∂y + b·(x − μ) + c
            let per_channel = |f: &dyn Fn(usize) -> T| (0..mean.len()).map(f).collect::<Vec<T>>();
            let a = per_channel(&|k| gamma[k] * r[k]);
            let b = per_channel(&|k| -a[k] * r[k] * dgamma.as_slice()[k] / m);
            let c = per_channel(&|k| -a[k] * dbeta.as_slice()[k] / m);
            let mut dx = upstream;
            let parameters = [&a[..], &b, mean, &c];
            zip_by_channel(&mut dx, x, parameters, |dy, x, [a, b, mean, c]| a * dy + (b * (x - mean) + c));
            dx
        });
        Grads::new([dx, wanted.then(1, || dgamma), wanted.then(2, || dbeta)])
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }
}

/// ∂γ = Σ ∂y·x̂ and ∂β = Σ ∂y, `[C]` both.
pub(super) fn parameter_gradients<T: Real>(
    x: &Tensor<T>,
    dy: &Tensor<T>,
    mean: &Tensor<T>,
    inverse_deviation: &Tensor<T>,
) -> [Tensor<T>; 2] {
    let operands = [x.as_slice(), dy.as_slice()];
    let sums = channel_sums(operands, mean.as_slice(), |[x, dy], mean| [dy * (x - mean), dy]);
    let [dgamma, dbeta] = sums.map(|sums| Tensor::new([mean.len()], sums));
    [dgamma.zip(inverse_deviation, |sum, r| sum * r), dbeta]
}

/// Values of x, at most, whose sums and squares are taken one after the other: a cache holds them.
const CACHED: usize = 1 << 15;

/// Each channel's mean and Σ (x − mean)², `[C]` both.
///
/// Each block is read twice, from memory only once; blocks are merged pairwise (Chan, Golub and LeVeque, *Updating
/// formulae and a pairwise algorithm for computing sample variances*, 1979).
fn moments<T: Real>(x: &[T], channels: usize) -> [Vec<T>; 2] {
    let pixels = x.len() / channels.max(1);
    if pixels <= (CACHED / channels.max(1)).max(1) {
        let m = T::from_f64(pixels as f64);
        let [mut mean] = channel_sums([x], &vec![T::zero(); channels], |[x], _| [x]);
        mean.iter_mut().for_each(|sum| *sum /= m);
        let [squares] = channel_sums([x], &mean, |[x], mean| [(x - mean) * (x - mean)]);
        return [mean, squares];
    }
    let middle = pixels.next_power_of_two() / 2;
    let (first, second) = x.split_at(middle * channels);
    let ([mut means, mut squares], [other_means, other_squares]) = if x.len() > 2 * BLOCK {
        rayon::join(|| moments(first, channels), || moments(second, channels))
    } else {
        (moments(first, channels), moments(second, channels))
    };
    let share = T::from_f64((pixels - middle) as f64 / pixels as f64);
    let weight = T::from_f64(middle as f64) * share;
    for c in 0..channels {
        let apart = other_means[c] - means[c];
        means[c] += apart * share;
        squares[c] += other_squares[c] + apart * apart * weight;
    }
    [means, squares]
}

/// Normalizes each channel of x `[…, C]` by its mean and (biased) variance, then scales it by γ `[C]` and shifts it by β
/// `[C]`. Also gives the batch's statistics, with the unbiased variance, for the caller's running ones.
///
/// # Panics
/// If the shapes are others, or a channel has fewer than two values.
#[must_use]
pub fn batch_norm_training<T: Real>(
    x: &Var<T>,
    gamma: &Var<T>,
    beta: &Var<T>,
    epsilon: f64,
) -> (Var<T>, ChannelStatistics<T>) {
    record(x, gamma, beta, epsilon, Share::Apart)
}

/// As [`batch_norm_training`], for a layer that may be computed together with its neighbours.
pub(super) fn record<T: Real>(
    x: &Var<T>,
    gamma: &Var<T>,
    beta: &Var<T>,
    epsilon: f64,
    share: Share<'_, T>,
) -> (Var<T>, ChannelStatistics<T>) {
    let channels = channels(x, gamma, beta);
    let count = x.value().len() / channels.max(1);
    assert!(count > 1 || channels == 0, "batch norm: one value per channel in {} has no variance", x.shape());
    let m = T::from_f64(count as f64);
    let [mean, squares] = moments(x.value().as_slice(), channels).map(|values| Tensor::new([channels], values));
    let variance = squares.clone().map(|sum| sum / (m - T::one()));
    let inverse_deviation = squares.map(|sum| T::one() / (sum / m + T::from_f64(epsilon)).sqrt());

    let scale = gamma.value().clone().zip(&inverse_deviation, |gamma, r| gamma * r);
    let map = Affine { mean: mean.clone(), scale, shift: beta.value().clone() };
    let statistics = ChannelStatistics { mean: mean.clone(), variance };
    let from = x.to_value();
    let op = BatchNormTraining { mean, inverse_deviation };
    let y =
        share.record(op, &[x, gamma, beta], *x.shape(), move |finish| centred_affine(from.get(), map.clone(), finish));
    (y, statistics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::*;
    use proptest::prelude::*;

    /// The definition with ε = 0.01, composed of arithmetic on the tape, and the biased variance.
    fn literal(x: &Var<f64>, gamma: &Var<f64>, beta: &Var<f64>) -> (Var<f64>, Var<f64>) {
        let centred = x.sub(&x.mean_axes(&[0, 1, 2]));
        let variance = centred.mul(&centred).mean_axes(&[0, 1, 2]);
        (centred.div(&variance.add_scalar(1e-2).sqrt()).mul(gamma).add(beta), variance)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn value_statistics_and_gradients_of_any_shape(n in 1_usize..4, h in 2_usize..5, w in 1_usize..5, c in 1_usize..4) {
            let inputs = [random([n, h, w, c], 1), random([c], 2), random([c], 3)];
            let tape = Tape::new();
            let [x, gamma, beta] = inputs.clone().map(|t| tape.leaf(t));
            let (y, statistics) = batch_norm_training(&x, &gamma, &beta, 1e-2);
            let (literal, variance) = literal(&x, &gamma, &beta);
            approx::assert_abs_diff_eq!(y.value(), literal.value(), epsilon = 1e-13);
            approx::assert_abs_diff_eq!(&statistics.mean, x.mean_axes(&[0, 1, 2]).value(), epsilon = 1e-14);
            let m = (n * h * w) as f64;
            let unbiased = variance.value().clone().map(|v| v * m / (m - 1.0));
            approx::assert_abs_diff_eq!(&statistics.variance, &unbiased, epsilon = 1e-14);
            let checked = gradcheck(&inputs, |v| batch_norm_training(&v[0], &v[1], &v[2], 1e-2).0);
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }

    #[test]
    fn many_blocks_are_as_good_as_one() {
        let tape = Tape::new();
        let [x, gamma, beta] = [random([3, 70, 60, 3], 1), random([3], 2), random([3], 3)].map(|t| tape.leaf(t));
        let (y, _) = batch_norm_training(&x, &gamma, &beta, 1e-2);
        let (literal, _) = literal(&x, &gamma, &beta);
        approx::assert_abs_diff_eq!(y.value(), literal.value(), epsilon = 1e-13);
        let seed = random([3, 70, 60, 3], 4);
        let gradients = |y: &Var<f64>| tape.backward_from(y, seed.clone(), &Exact, [&x, &gamma, &beta]).unwrap();
        let (ours, literal) = (gradients(&y), gradients(&literal));
        for var in [&x, &gamma, &beta] {
            approx::assert_abs_diff_eq!(&ours[var], &literal[var], epsilon = 1e-11);
        }
    }

    #[test]
    fn a_large_mean_does_not_swallow_the_variance() {
        let tape = Tape::new();
        let x = tape.leaf(random([4, 80, 80, 1], 1).map(|x| 1000.0 + x).cast::<f32>());
        let [gamma, beta] = [1.0, 0.0].map(|v| tape.leaf(Tensor::full([1], v)));
        let (_, statistics) = batch_norm_training(&x, &gamma, &beta, 1e-5);
        let exact = x.value().cast::<f64>();
        let mean = exact.sum() / 25_600.0;
        let variance = exact.map(|x| (x - mean).powi(2)).sum() / 25_599.0;
        approx::assert_relative_eq!(f64::from(statistics.variance.item()), variance, max_relative = 1e-5);
    }

    #[test]
    #[should_panic(expected = "one value per channel in [1, 1, 1, 3]")]
    fn one_value_has_no_variance() {
        let tape = Tape::new();
        let [x, gamma, beta] = [random([1, 1, 1, 3], 1), random([3], 2), random([3], 3)].map(|t| tape.leaf(t));
        let _ = batch_norm_training(&x, &gamma, &beta, 1e-5);
    }
}
