//! Stochastic gradient descent.

use serde::{Deserialize, Serialize};
use tensor::Tensor;
use tensor::blocks::update_each;

use super::{Optimizer, OptimizerState};
use crate::model::Parameter;
use crate::real::Real;

/// Stochastic gradient descent with learning rate η, momentum μ (optionally Nesterov's) and weight decay λ, as in PyTorch:
///
/// ```text
/// g ← g + λ·w        v ← μ·v + g        w ← w − η·v        (Nesterov: w ← w − η·(g + μ·v))
/// ```
#[derive(Clone, Debug)]
pub struct Sgd<T: Real = f32> {
    /// The settings.
    pub settings: SgdSettings,
    state: OptimizerState<T>,
}

/// The settings of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdSettings {
    /// η.
    pub learning_rate: f64,
    /// μ; 0 for plain gradient descent.
    pub momentum: f64,
    /// λ; λ·w is added to the gradient of a weight w.
    pub weight_decay: f64,
    /// Whether to use Nesterov's momentum.
    pub nesterov: bool,
}

impl<T: Real> Sgd<T> {
    /// An optimiser without weight decay and with the usual momentum.
    #[must_use]
    pub fn new(learning_rate: f64, momentum: f64) -> Self {
        Self::with(SgdSettings { learning_rate, momentum, weight_decay: 0.0, nesterov: false })
    }

    /// An optimiser with these settings.
    #[must_use]
    pub fn with(settings: SgdSettings) -> Self {
        Self { settings, state: OptimizerState::new(&["velocity"]) }
    }
}

impl<T: Real> Optimizer<T> for Sgd<T> {
    fn step(&mut self, parameters: &mut [Parameter<T>], gradients: &[(usize, Tensor<T>)]) {
        let SgdSettings { learning_rate, momentum, weight_decay, nesterov } = self.settings;
        let OptimizerState { steps, moments } = &mut self.state;
        let [velocities] = &mut moments[..] else { panic!("SGD: a state of another optimiser") };
        *steps += 1;
        let [rate, momentum, decay] = [learning_rate, momentum, weight_decay].map(T::from_f64);
        for (index, gradient) in gradients {
            let value = &mut parameters[*index].value;
            assert_eq!(gradient.shape(), value.shape(), "a gradient of another shape than its parameter");
            let (gradient, velocity) = (gradient.as_slice(), velocities.of(*index, gradient));
            update_each([velocity, value.make_mut()], [gradient], |[v, w], [g]| {
                let g = g + decay * w;
                let v = momentum * v + g;
                [v, w - rate * if nesterov { g + momentum * v } else { v }]
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
