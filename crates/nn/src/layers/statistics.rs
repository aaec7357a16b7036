//! The statistics of batches.

use tensor::Tensor;

use crate::real::Real;

/// Mean and variance of one batch, for a batch norm's running statistics.
#[derive(Clone, Debug)]
pub struct BatchStatistics<T: Real> {
    /// The layer's index in the model.
    pub(crate) layer: usize,
    pub(crate) momentum: f64,
    pub(crate) batch: ChannelStatistics<T>,
}

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
    /// If the two have different numbers of channels.
    pub fn update(&mut self, batch: &Self, momentum: f64) {
        batch.mix_into([&mut self.mean, &mut self.variance], momentum);
    }

    /// Moves a running mean and variance towards these.
    pub(crate) fn mix_into(&self, running: [&mut Tensor<T>; 2], momentum: f64) {
        let momentum = T::from_f64(momentum);
        for (running, batch) in running.into_iter().zip([&self.mean, &self.variance]) {
            assert_eq!(running.shape(), batch.shape(), "running statistics of other channels");
            let values = running.make_mut().iter_mut().zip(batch.as_slice());
            values.for_each(|(running, &batch)| *running = (T::one() - momentum) * *running + momentum * batch);
        }
    }
}
