//! Batch normalization by running statistics.

use tensor::blocks::zip_by_channel;

use super::training::parameter_gradients;
use super::{ChannelStatistics, centred_affine, channels};
use crate::layers::prelude::*;

/// With input x `[…, C]`, scale γ `[C]`, shift β `[C]`, and fixed statistics μ, σ² `[C]`: an affine map of each channel,
///
/// ```text
/// r = 1/√(σ² + ε)       x̂ = (x − μ)·r       y = γ·x̂ + β = (γ·r)·x + (β − γ·r·μ)
/// ```
///
/// The statistics don't depend on x, so, with sums over all values of a channel,
///
/// ```text
/// ∂x = γ·r·∂y       ∂γ = Σ ∂y·x̂       ∂β = Σ ∂y
/// ```
#[derive(Debug)]
pub struct BatchNormEvaluation<T: Real> {
    mean: Tensor<T>,
    /// r.
    inverse_deviation: Tensor<T>,
}

impl<T: Real> BatchNormEvaluation<T> {
    /// γ·r and β − γ·r·μ, `[C]` both: the factor and the shift of each channel.
    #[must_use]
    pub fn affine(&self, gamma: &Tensor<T>, beta: &Tensor<T>) -> [Tensor<T>; 2] {
        let factor = self.factor(gamma);
        let shift = beta.clone().zip(&factor.clone().zip(&self.mean, |a, mean| a * mean), |beta, moved| beta - moved);
        [factor, shift]
    }

    fn factor(&self, gamma: &Tensor<T>) -> Tensor<T> {
        gamma.clone().zip(&self.inverse_deviation, |gamma, r| gamma * r)
    }

    fn map(&self, gamma: &Tensor<T>, beta: &Tensor<T>) -> Affine<T> {
        Affine { mean: self.mean.clone(), scale: self.factor(gamma), shift: beta.clone() }
    }
}

impl<T: Real> Op<T> for BatchNormEvaluation<T> {
    fn name(&self) -> &'static str {
        "batch norm (evaluation)"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let parameters = (wanted.has(1) || wanted.has(2))
            .then(|| parameter_gradients(node.input(0), &upstream, &self.mean, &self.inverse_deviation));
        let dx = wanted.then(0, || {
            let mut dx = Tensor::scratch(*upstream.shape());
            zip_by_channel(&mut dx, &upstream, [self.factor(node.input(1)).as_slice()], |_, g, [a]| a * g);
            dx
        });
        let [dgamma, dbeta] = parameters.map_or([None, None], |gradients| gradients.map(Some));
        Grads::new([dx, dgamma, dbeta])
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn nature(&self) -> Nature {
        Nature::Affine { bias: None }
    }
}

/// Computes and records: each channel of x `[…, C]` by the running statistics, then scales it by γ `[C]` and shifts it by β `[C]`.
///
/// # Panics
/// If the shapes are others.
pub(super) fn record<T: Real>(
    x: &Var<T>,
    gamma: &Var<T>,
    beta: &Var<T>,
    running: &ChannelStatistics<T>,
    epsilon: f64,
    share: Share<'_, T>,
) -> Var<T> {
    let channels = channels(x, gamma, beta);
    assert_eq!(&**running.mean.shape(), &[channels], "batch norm: running means for an input {}", x.shape());
    let op = BatchNormEvaluation { mean: running.mean.clone(), inverse_deviation: inverse_deviation(running, epsilon) };
    let map = op.map(gamma.value(), beta.value());
    let from = x.to_value();
    share.record(op, &[x, gamma, beta], *x.shape(), move |finish| centred_affine(from.get(), map.clone(), finish))
}

/// r.
fn inverse_deviation<T: Real>(running: &ChannelStatistics<T>, epsilon: f64) -> Tensor<T> {
    running.variance.clone().map(|v| T::one() / (v + T::from_f64(epsilon)).sqrt())
}

/// The map of each channel.
pub(super) fn map<T: Real>(
    gamma: &Tensor<T>,
    beta: &Tensor<T>,
    running: ChannelStatistics<T>,
    epsilon: f64,
) -> Affine<T> {
    let inverse_deviation = inverse_deviation(&running, epsilon);
    BatchNormEvaluation { mean: running.mean, inverse_deviation }.map(gamma, beta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::*;

    fn problem() -> ([Tensor<f64>; 3], ChannelStatistics<f64>) {
        let running = ChannelStatistics { mean: random([4], 4), variance: random([4], 5).map(|v| 0.2 + v * v) };
        ([random([2, 3, 5, 4], 1), random([4], 2), random([4], 3)], running)
    }

    #[test]
    fn it_is_the_definition_and_an_affine_map() {
        let (inputs, running) = problem();
        let tape = Tape::new();
        let [x, gamma, beta] = inputs.map(|t| tape.leaf(t));
        let y = record(&x, &gamma, &beta, &running, 1e-5, Share::Apart);
        let [mean, variance] = [&running.mean, &running.variance].map(|t| tape.leaf(t.clone()));
        let literal = x.sub(&mean).div(&variance.add_scalar(1e-5).sqrt()).mul(&gamma).add(&beta);
        approx::assert_abs_diff_eq!(y.value(), literal.value(), epsilon = 1e-14);
        let op = y.node().op::<BatchNormEvaluation<f64>>().unwrap();
        let [factor, shift] = op.affine(gamma.value(), beta.value()).map(|t| tape.leaf(t));
        approx::assert_abs_diff_eq!(y.value(), x.mul(&factor).add(&shift).value(), epsilon = 1e-14);
    }

    #[test]
    fn running_statistics_move_by_the_momentum() {
        let mut running = ChannelStatistics::<f64>::standard(1);
        let batch = ChannelStatistics { mean: Tensor::full([1], 3.0), variance: Tensor::full([1], 5.0) };
        running.update(&batch, 0.1);
        approx::assert_abs_diff_eq!(running.mean.item(), 0.3, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(running.variance.item(), 1.4, epsilon = 1e-15);
    }
}
