//! Optimisers: how weights follow their gradients, and at what rate.
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

use crate::model::Model;
use crate::real::Real;

/// An optimiser. It keeps a state for each parameter by its place in [`Model::parameters`].
pub trait Optimizer<T: Real>: Send {
    /// One step: each weight follows its gradient, given by its place in [`Model::parameters`].
    ///
    /// # Panics
    /// Where a gradient isn't of its parameter's shape.
    fn step(&mut self, model: &mut Model<T>, gradients: &[(usize, Tensor<T>)]);

    /// The learning rate of the next step.
    fn set_learning_rate(&mut self, rate: f64);

    /// What it remembers between steps.
    fn state(&self) -> &OptimizerState<T>;

    /// What it remembers, to be replaced by what another of its kind remembered.
    fn state_mut(&mut self) -> &mut OptimizerState<T>;
}

impl<T: Real, O: Optimizer<T> + ?Sized> Optimizer<T> for Box<O> {
    fn step(&mut self, model: &mut Model<T>, gradients: &[(usize, Tensor<T>)]) {
        (**self).step(model, gradients);
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
