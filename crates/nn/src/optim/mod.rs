//! Optimisers and learning-rate schedules.
//!
//! ```
//! use nn::optim::{Adam, AdamSettings, Decay, Schedule};
//! let adamw = Adam::<f32>::with(AdamSettings { weight_decay: 0.01, ..AdamSettings::new(1e-3) });
//! assert!(adamw.settings.decoupled);
//! let schedule = Schedule { warmup: 0.1, decay: Decay::Cosine { floor: 0.0 } };
//! assert_eq!(schedule.factor(10, 100), 1.0);
//! ```

mod adam;
mod average;
mod clip;
mod schedule;
mod sgd;
mod state;

pub use adam::{Adam, AdamSettings};
pub use average::WeightAverage;
pub use clip::{clip_norm, global_norm};
pub use schedule::{Decay, Schedule};
pub use sgd::{Sgd, SgdSettings};
pub use state::{Moments, OptimizerState};

use tensor::Tensor;

use crate::model::Parameter;
use crate::real::Real;

/// An optimiser. It keeps its state for each parameter by the parameter's index.
pub trait Optimizer<T: Real>: Send {
    /// Updates the parameters for which there are gradients, each given with the parameter's index. The indices must mean the
    /// same parameters in every step.
    ///
    /// # Panics
    /// If an index is out of range, or a gradient's shape isn't its parameter's.
    fn step(&mut self, parameters: &mut [Parameter<T>], gradients: &[(usize, Tensor<T>)]);

    /// Sets the learning rate of the next step.
    fn set_learning_rate(&mut self, rate: f64);

    /// Its state between steps.
    fn state(&self) -> &OptimizerState<T>;

    /// Its state between steps. It may be replaced by the state of an optimiser of the same kind.
    fn state_mut(&mut self) -> &mut OptimizerState<T>;
}

macro_rules! through_pointer {
    ($($pointer:ty),+) => {$(
        impl<T: Real, O: Optimizer<T> + ?Sized> Optimizer<T> for $pointer {
            fn step(&mut self, parameters: &mut [Parameter<T>], gradients: &[(usize, Tensor<T>)]) {
                (**self).step(parameters, gradients);
            }

            fn set_learning_rate(&mut self, rate: f64) {
                (**self).set_learning_rate(rate);
            }

            fn state(&self) -> &OptimizerState<T> {
                (**self).state()
            }

            fn state_mut(&mut self) -> &mut OptimizerState<T> {
                (**self).state_mut()
            }
        }
    )+};
}

through_pointer!(Box<O>, &mut O);

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 100_000;

    fn value(step: usize, i: usize) -> f32 {
        ((i * 37 + step * 11) % 1009) as f32 / 300.0 - 1.5
    }

    /// Three steps on one parameter, which is large enough for several threads; `formula` updates a weight and its state for a
    /// gradient.
    fn check(mut optimizer: impl Optimizer<f32>, mut formula: impl FnMut(i32, &mut f32, &mut [f32; 2], f32)) {
        let tensor = |step: usize| Tensor::from_fn([COUNT], |i| value(step, i));
        let mut parameters = [Parameter { name: "w".into(), trainable: true, value: tensor(0) }];
        let (mut weights, mut states) = (tensor(0).as_slice().to_vec(), vec![[0.0; 2]; COUNT]);
        for step in 1..4 {
            optimizer.step(&mut parameters, &[(0, tensor(step))]);
            let each = weights.iter_mut().zip(&mut states).enumerate();
            each.for_each(|(i, (w, state))| formula(step as i32, w, state, value(step, i)));
            assert_eq!(parameters[0].value.as_slice(), weights, "step {step}");
        }
    }

    #[test]
    fn every_weight_follows_the_formula_of_sgd() {
        let [rate, momentum, decay] = [0.1, 0.9, 0.01];
        for nesterov in [false, true] {
            let settings = SgdSettings { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov };
            check(Sgd::with(settings), |_, w, [v, _], g| {
                let g = g + decay * *w;
                *v = momentum * *v + g;
                *w -= rate * if nesterov { g + momentum * *v } else { *v };
            });
        }
    }

    #[test]
    fn every_weight_follows_the_formula_of_adam() {
        let [rest1, rest2, beta1, beta2] = [1.0 - 0.9, 1.0 - 0.999, 0.9, 0.999].map(|x: f64| x as f32);
        for decoupled in [false, true] {
            let settings = AdamSettings { weight_decay: 0.01, decoupled, ..AdamSettings::new(0.1) };
            let [decay, shrink] = if decoupled { [0.0, (0.1 * 0.01) as f32] } else { [0.01, 0.0] };
            check(Adam::with(settings), |step, w, [m, v], g| {
                let [mean_scale, square_scale] = [0.9, 0.999].map(|beta: f64| 1.0 - beta.powf(f64::from(step)));
                let g = g + decay * *w;
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * g * g;
                let [rate, root] = [0.1 / mean_scale, square_scale.sqrt()].map(|x| x as f32);
                *w -= shrink * *w + rate * *m / (v.sqrt() / root + 1e-8);
            });
        }
    }
}
