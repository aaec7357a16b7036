//! Stochastic gradient descent.

use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::{Optimizer, OptimizerState};
use crate::model::Model;
use crate::real::Real;

/// Stochastic gradient descent with momentum μ, Nesterov's variant and weight decay λ, as in PyTorch:
///
/// ```text
/// g ← g + λ·w        v ← μ·v + g        w ← w − η·v        (Nesterov: w ← w − η·(g + μ·v))
/// ```
#[derive(Clone, Debug)]
pub struct Sgd<T: Real = f32> {
    /// Its settings.
    pub settings: SgdSettings,
    state: OptimizerState<T>,
}

/// The settings of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdSettings {
    /// η.
    pub learning_rate: f64,
    /// μ; 0 is plain descent.
    pub momentum: f64,
    /// λ, times the weight itself added to its gradient.
    pub weight_decay: f64,
    /// Whether the step looks ahead along the velocity.
    pub nesterov: bool,
}

impl<T: Real> Sgd<T> {
    /// With this learning rate and momentum, no weight decay.
    #[must_use]
    pub fn new(learning_rate: f64, momentum: f64) -> Self {
        Self::with(SgdSettings { learning_rate, momentum, weight_decay: 0.0, nesterov: false })
    }

    /// With these settings.
    #[must_use]
    pub fn with(settings: SgdSettings) -> Self {
        Self { settings, state: OptimizerState::new(&["velocity"]) }
    }
}

impl<T: Real> Optimizer<T> for Sgd<T> {
    fn step(&mut self, model: &mut Model<T>, gradients: &[(usize, Tensor<T>)]) {
        let SgdSettings { learning_rate, momentum, weight_decay, nesterov } = self.settings;
        let OptimizerState { steps, moments } = &mut self.state;
        let [velocities] = &mut moments[..] else { panic!("SGD: a state of another optimiser") };
        *steps += 1;
        let [rate, momentum, decay] = [learning_rate, momentum, weight_decay].map(T::from_f64);
        for (index, gradient) in gradients {
            let value = model.value_mut(*index);
            assert_eq!(gradient.shape(), value.shape(), "a gradient of another shape than its parameter");
            let velocity = velocities.of(*index, gradient);
            let weights = value.make_mut().iter_mut().zip(velocity).zip(gradient.as_slice());
            weights.for_each(|((w, v), &g)| {
                let g = g + decay * *w;
                *v = momentum * *v + g;
                *w -= rate * if nesterov { g + momentum * *v } else { *v };
            });
        }
    }

    fn set_learning_rate(&mut self, rate: f64) {
        self.settings.learning_rate = rate;
    }

    fn state(&self) -> &OptimizerState<T> {
        &self.state
    }

    fn state_mut(&mut self) -> &mut OptimizerState<T> {
        &mut self.state
    }
}
