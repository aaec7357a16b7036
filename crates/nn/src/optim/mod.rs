//! Optimisers: how weights follow their gradients.

mod adam;
mod sgd;

pub use adam::{Adam, AdamSettings};
pub use sgd::{Sgd, SgdSettings};

use tensor::Tensor;

use crate::model::Model;
use crate::real::Real;

/// An optimiser. It keeps a state for each parameter by its place in [`Model::parameters`].
pub trait Optimizer<T: Real> {
    /// One step: each weight follows its gradient, given by its place in [`Model::parameters`].
    ///
    /// # Panics
    /// Where a gradient isn't of its parameter's shape.
    fn step(&mut self, model: &mut Model<T>, gradients: &[(usize, Tensor<T>)]);

    /// The learning rate of the next step.
    fn set_learning_rate(&mut self, rate: f64);
}

/// One tensor of state per parameter, zero at first.
#[derive(Clone, Debug)]
struct State<T: Real>(Vec<Option<Tensor<T>>>);

impl<T: Real> Default for State<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Real> State<T> {
    fn of(&mut self, index: usize, like: &Tensor<T>) -> &mut [T] {
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index].get_or_insert_with(|| Tensor::zeros(like.shape())).make_mut()
    }
}
