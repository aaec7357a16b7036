//! Adam and AdamW.

use serde::{Deserialize, Serialize};
use tensor::Tensor;
use tensor::blocks::update_each;

use super::{Optimizer, OptimizerState};
use crate::model::Parameter;
use crate::real::Real;

/// Adam (Kingma & Ba 2015, algorithm 1), and AdamW (Loshchilov & Hutter 2019, algorithm 2), which applies the weight decay λ
/// to the weights directly instead of adding it to the gradient:
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g        v ← β₂·v + (1 − β₂)·g²
/// w ← w − η·λ·w − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
/// ```
#[derive(Clone, Debug)]
pub struct Adam<T: Real = f32> {
    /// The settings.
    pub settings: AdamSettings,
    state: OptimizerState<T>,
}

/// The settings of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamSettings {
    /// η.
    pub learning_rate: f64,
    /// β₁, the decay of the running mean of the gradients.
    pub beta1: f64,
    /// β₂, the decay of the running mean of their squares.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
    /// λ.
    pub weight_decay: f64,
    /// Whether the weight decay is applied to the weights (AdamW) rather than added to the gradient (Adam).
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
    /// An optimiser with the settings of [`AdamSettings::new`].
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with(AdamSettings::new(learning_rate))
    }

    /// An optimiser with these settings.
    #[must_use]
    pub fn with(settings: AdamSettings) -> Self {
        Self { settings, state: OptimizerState::new(&["mean", "square"]) }
    }
}

impl<T: Real> Optimizer<T> for Adam<T> {
    fn step(&mut self, parameters: &mut [Parameter<T>], gradients: &[(usize, Tensor<T>)]) {
        let AdamSettings { learning_rate, beta1, beta2, epsilon, weight_decay, decoupled } = self.settings;
        let OptimizerState { steps, moments } = &mut self.state;
        let [mean, square] = &mut moments[..] else { panic!("Adam: a state of another optimiser") };
        *steps += 1;
        let [mean_scale, square_scale] = [beta1, beta2].map(|beta| 1.0 - libm::pow(beta, *steps as f64));
        let (rate, root) = (T::from_f64(learning_rate / mean_scale), T::from_f64(square_scale.sqrt()));
        let shrink = T::from_f64(if decoupled { learning_rate * weight_decay } else { 0.0 });
        let decay = T::from_f64(if decoupled { 0.0 } else { weight_decay });
        // Subtracted in f64: in f32, 1 − 0.999 has only four correct digits.
        let [rest1, rest2] = [1.0 - beta1, 1.0 - beta2].map(T::from_f64);
        let [beta1, beta2, epsilon] = [beta1, beta2, epsilon].map(T::from_f64);
        for (index, gradient) in gradients {
            let value = &mut parameters[*index].value;
            assert_eq!(gradient.shape(), value.shape(), "a gradient of another shape than its parameter");
            let (mean, square) = (mean.of(*index, gradient), square.of(*index, gradient));
            update_each([mean, square, value.make_mut()], [gradient.as_slice()], |[m, v, w], [g]| {
                let g = g + decay * w;
                let (m, v) = (beta1 * m + rest1 * g, beta2 * v + rest2 * g * g);
                [m, v, w - (shrink * w + rate * m / (v.sqrt() / root + epsilon))]
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
