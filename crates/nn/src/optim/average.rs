//! The moving average of a model's weights.

use tensor::blocks::update;

use crate::model::Model;
use crate::real::Real;

/// The exponential moving average of a model's weights and running statistics. Step t (from 1), with decay β, computes
///
/// ```text
/// βₜ = min(β, (1 + t)/(10 + t))        w̄ ← βₜ·w̄ + (1 − βₜ)·w
/// ```
///
/// The average often predicts better than the last weights, even at a constant learning rate (Polyak & Juditsky 1992). βₜ
/// grows towards β, as in TensorFlow's `ExponentialMovingAverage`, so that the initial weights are soon forgotten.
#[derive(Clone, Debug)]
pub struct WeightAverage<T: Real = f32> {
    decay: f64,
    steps: u64,
    model: Model<T>,
}

impl<T: Real> WeightAverage<T> {
    /// The average at the start of a training: the model itself.
    ///
    /// # Panics
    /// If the decay isn't in [0, 1).
    #[must_use]
    pub fn new(model: &Model<T>, decay: f64) -> Self {
        Self::resumed(model.clone(), decay, 0)
    }

    /// The average after `steps` steps, where `model` has the averaged weights.
    ///
    /// # Panics
    /// If the decay isn't in [0, 1).
    #[must_use]
    pub fn resumed(model: Model<T>, decay: f64, steps: u64) -> Self {
        assert!((0.0..1.0).contains(&decay), "a weight average with decay {decay}");
        Self { decay, steps, model }
    }

    /// Updates the average with the weights of `model` after a step.
    ///
    /// # Panics
    /// If the parameters' shapes aren't those of the averaged model.
    pub fn update(&mut self, model: &Model<T>) {
        self.steps += 1;
        let decay = self.decay.min((1 + self.steps) as f64 / (10 + self.steps) as f64);
        let rest = T::from_f64(1.0 - decay);
        assert_eq!(self.model.parameters().len(), model.parameters().len(), "the average of another network");
        for (average, parameter) in self.model.parameters_mut().iter_mut().zip(model.parameters()) {
            assert_eq!(average.value.shape(), parameter.value.shape(), "the average of another network");
            let value = parameter.value.as_slice();
            update(average.value.make_mut(), [value], |average, [value]| average + rest * (value - average));
        }
    }

    /// The model with the averaged weights.
    #[must_use]
    pub fn model(&self) -> &Model<T> {
        &self.model
    }

    /// Number of updates so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{GlobalAvgPool, Linear};
    use tensor::Tensor;

    fn model(weight: f64) -> Model<f64> {
        let builder = Model::builder([1, 1, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(1));
        let mut model = builder.build(0).unwrap().cast();
        model.set_parameter("fc.weight", Tensor::new([1, 1], vec![weight])).unwrap();
        model
    }

    #[test]
    fn it_is_the_recurrence() {
        let mut average = WeightAverage::new(&model(1.0), 0.5);
        let mut expected = 1.0;
        for (t, weight) in [(1.0, 5.0), (2.0, -3.0), (3.0, 2.0), (20.0, 8.0)] {
            if t == 20.0 {
                average = WeightAverage::resumed(average.model().clone(), 0.5, 19);
            }
            average.update(&model(weight));
            let decay = f64::min(0.5, (1.0 + t) / (10.0 + t));
            expected = decay * expected + (1.0 - decay) * weight;
            let found = average.model().parameter("fc.weight").unwrap().item();
            assert!((found - expected).abs() < 1e-14, "{found}, expected {expected}");
        }
        assert_eq!(average.steps(), 20);
    }
}
