//! Batch normalization: by the batch's own statistics in training, by running ones in evaluation (Ioffe and Szegedy,
//! *Batch normalization*, 2015).

mod evaluation;
mod training;

use tensor::blocks::zip_by_channel;
use tensor::{Tensor, Var};

pub use evaluation::{BatchNormEvaluation, batch_norm_evaluation};
pub use training::{BatchNormRelu, BatchNormTraining, batch_norm_relu, batch_norm_training};

use crate::real::Real;

/// Mean and variance of each channel, `[C]` both.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics<T: Real> {
    /// The means.
    pub mean: Tensor<T>,
    /// The variances, unbiased: squared deviations divided by one less than their number.
    pub variance: Tensor<T>,
}

impl<T: Real> ChannelStatistics<T> {
    /// Mean 0 and variance 1: what running statistics start from.
    #[must_use]
    pub fn standard(channels: usize) -> Self {
        Self { mean: Tensor::zeros([channels]), variance: Tensor::full([channels], T::one()) }
    }

    /// Moves running statistics towards a batch's: r ← (1 − `momentum`)·r + `momentum`·b. The usual momentum is 0.1.
    ///
    /// # Panics
    /// Where the two have different numbers of channels.
    pub fn update(&mut self, batch: &Self, momentum: f64) {
        let (keep, take) = (T::from_f64(1.0 - momentum), T::from_f64(momentum));
        for (running, batch) in [(&mut self.mean, &batch.mean), (&mut self.variance, &batch.variance)] {
            *running = running.clone().zip(batch, |r, b| keep * r + take * b);
        }
    }
}

/// The number of channels, the last dimension.
///
/// # Panics
/// Where γ or β isn't `[C]`.
fn channels<T: Real>(x: &Var<T>, gamma: &Var<T>, beta: &Var<T>) -> usize {
    let channels = *x.shape().last().expect("batch norm: expected […, C], found a scalar");
    for (name, var) in [("γ", gamma), ("β", beta)] {
        assert_eq!(&**var.shape(), &[channels], "batch norm: {name} for an input {}", x.shape());
    }
    channels
}

/// f((x − mean)·scale + shift), by channel.
fn centred_affine<T: Real>(
    x: &Tensor<T>,
    mean: &[T],
    scale: &[T],
    shift: &[T],
    f: impl Fn(T) -> T + Sync,
) -> Tensor<T> {
    let mut y = Tensor::scratch(*x.shape());
    zip_by_channel(&mut y, x, [mean, scale, shift], |_, x, [mean, scale, shift]| f((x - mean) * scale + shift));
    y
}
