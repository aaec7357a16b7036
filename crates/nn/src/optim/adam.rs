//! Adam and AdamW.

use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::{Optimizer, OptimizerState};
use crate::model::Model;
use crate::real::Real;

/// Adam (Kingma & Ba 2015, algorithm 1), and AdamW (Loshchilov & Hutter 2019, algorithm 2), whose weight decay λ acts on
/// the weights and not through the gradient:
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g        v ← β₂·v + (1 − β₂)·g²
/// w ← w − η·λ·w − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
/// ```
#[derive(Clone, Debug)]
pub struct Adam<T: Real = f32> {
    /// Its settings.
    pub settings: AdamSettings,
    state: OptimizerState<T>,
}

/// The settings of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamSettings {
    /// η.
    pub learning_rate: f64,
    /// β₁, of the running mean of gradients.
    pub beta1: f64,
    /// β₂, of the running mean of their squares.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
    /// λ.
    pub weight_decay: f64,
    /// Whether the decay acts on the weights (AdamW) or is added to the gradient (Adam).
    pub decoupled: bool,
}

impl AdamSettings {
    /// β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸, no weight decay.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, decoupled: true }
    }
}

impl<T: Real> Adam<T> {
    /// With this learning rate, and otherwise as [`AdamSettings::new`].
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with(AdamSettings::new(learning_rate))
    }

    /// With these settings.
    #[must_use]
    pub fn with(settings: AdamSettings) -> Self {
        Self { settings, state: OptimizerState::new(&["mean", "square"]) }
    }
}

impl<T: Real> Optimizer<T> for Adam<T> {
    fn step(&mut self, model: &mut Model<T>, gradients: &[(usize, Tensor<T>)]) {
        let AdamSettings { learning_rate, beta1, beta2, epsilon, weight_decay, decoupled } = self.settings;
        let OptimizerState { steps, moments } = &mut self.state;
        let [mean, square] = &mut moments[..] else { panic!("Adam: a state of another optimiser") };
        *steps += 1;
        let [mean_scale, square_scale] = [beta1, beta2].map(|beta| 1.0 - beta.powf(*steps as f64));
        let (rate, root) = (T::from_f64(learning_rate / mean_scale), T::from_f64(square_scale.sqrt()));
        let shrink = T::from_f64(if decoupled { learning_rate * weight_decay } else { 0.0 });
        let decay = T::from_f64(if decoupled { 0.0 } else { weight_decay });
        // In f32, 1 − 0.999 would keep four digits.
        let [rest1, rest2] = [1.0 - beta1, 1.0 - beta2].map(T::from_f64);
        let [beta1, beta2, epsilon] = [beta1, beta2, epsilon].map(T::from_f64);
        for (index, gradient) in gradients {
            let value = model.value_mut(*index);
            assert_eq!(gradient.shape(), value.shape(), "a gradient of another shape than its parameter");
            let state = mean.of(*index, gradient).iter_mut().zip(square.of(*index, gradient));
            let weights = value.make_mut().iter_mut().zip(state).zip(gradient.as_slice());
            weights.for_each(|((w, (m, v)), &g)| {
                let g = g + decay * *w;
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * g * g;
                *w -= shrink * *w + rate * *m / ((*v).sqrt() / root + epsilon);
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
