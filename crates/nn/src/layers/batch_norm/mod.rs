//! Batch normalization: by the batch's own statistics in training, by running ones in evaluation (Ioffe and Szegedy,
//! *Batch normalization*, 2015).

mod evaluation;
#[cfg(feature = "onnx")]
mod onnx;
mod training;

pub use evaluation::BatchNormEvaluation;
pub use training::{BatchNormTraining, batch_norm_training};

use crate::layers::affine::written;
use crate::layers::parameter::Parameter;
use crate::layers::prelude::*;
use crate::layers::statistics::{BatchStatistics, ChannelStatistics};

/// Batch normalization over all but the channels; parameters `weight` (γ) and `bias` (β), statistics `running_mean` and
/// `running_var`, all `[C]`. On the tape it is a [`BatchNormEvaluation`] or a [`BatchNormTraining`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("batch norm")]
pub struct BatchNorm {
    /// Added to the variance.
    pub epsilon: f64,
    /// Weight of a batch's statistics in the running ones.
    pub momentum: f64,
}

impl BatchNorm {
    /// ε = 10⁻⁵ and momentum 0.1.
    #[must_use]
    pub fn new() -> Self {
        Self { epsilon: 1e-5, momentum: 0.1 }
    }
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl SameShape for BatchNorm {
    fn check(&self, _: &[usize]) -> Result<(), LayerError> {
        let Self { epsilon, momentum } = *self;
        let is_positive = epsilon > 0.0 && epsilon.is_finite();
        LayerError::unless(is_positive, "the epsilon of a batch norm", epsilon, "a finite number above 0")?;
        let is_share = (0.0..=1.0).contains(&momentum);
        LayerError::unless(is_share, "the momentum of a batch norm", momentum, "a number from 0 to 1")
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        let channels = super::parameter::channels(input);
        let statistic = |name, start| ParameterSpec::statistic(name, [channels], start).over_input(0);
        let mut specs = ParameterSpec::scale_and_shift(input);
        specs.extend([statistic("running_mean", 0.0), statistic("running_var", 1.0)]);
        specs
    }

    fn fuses(&self) -> Fuses {
        Fuses::BatchNorm
    }
}

impl Record for BatchNorm {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, gamma, beta) = (run.input(), run.parameter(0), run.parameter(1));
        if let Mode::Training { .. } = run.mode {
            let (y, batch) = training::record(&x, gamma, beta, self.epsilon, run.share);
            run.statistics.push(BatchStatistics { layer: run.layer, momentum: self.momentum, batch });
            return y;
        }
        let running = ChannelStatistics { mean: run.statistic(2).clone(), variance: run.statistic(3).clone() };
        evaluation::record(&x, gamma, beta, &running, self.epsilon, run.share)
    }

    fn affine<T: Real>(&self, stored: &[Parameter<T>]) -> Option<Affine<T>> {
        let [gamma, beta, mean, variance] = stored else { unreachable!("a batch norm has four parameters") };
        let running = ChannelStatistics { mean: mean.value.clone(), variance: variance.value.clone() };
        Some(evaluation::map(&gamma.value, &beta.value, running, self.epsilon))
    }
}

/// The number of channels, the last dimension.
///
/// # Panics
/// If γ or β isn't `[C]`.
fn channels<T: Real>(x: &Var<T>, gamma: &Var<T>, beta: &Var<T>) -> usize {
    let channels = *x.shape().last().expect("batch norm: expected […, C], found a scalar");
    for (name, var) in [("γ", gamma), ("β", beta)] {
        assert_eq!(&**var.shape(), &[channels], "batch norm: {name} for an input {}", x.shape());
    }
    channels
}

/// (x − mean)·scale + shift by channel, followed by the steps of the layers after it. None of them is a map by channel.
fn centred_affine<T: Real>(x: &Tensor<T>, map: Affine<T>, finish: &Finish<'_, T>) -> Tensor<T> {
    let Finish { residual, activation, before, .. } = *finish;
    let steps = Finish { affine: Some(map), residual, activation, before };
    written(*x.shape(), |y| T::finish_from(&steps, x.as_slice(), y))
}
