//! The state of an optimiser.

use tensor::Tensor;

use crate::real::Real;

/// The state of an optimiser between steps. An optimiser with the same settings and state continues identically.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<T: Real = f32> {
    /// Number of steps taken.
    pub steps: u64,
    /// The running values.
    pub moments: Vec<Moments<T>>,
}

/// One kind of running value, such as a velocity, for all parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments<T: Real = f32> {
    /// The name: `velocity`, `mean` or `square`.
    pub name: &'static str,
    /// A tensor of the parameter's shape for each index of a parameter; `None` for those that haven't had a gradient yet.
    pub tensors: Vec<Option<Tensor<T>>>,
}

impl<T: Real> OptimizerState<T> {
    /// The initial state, with running values of these names.
    pub(super) fn new(names: &[&'static str]) -> Self {
        Self { steps: 0, moments: names.iter().map(|&name| Moments { name, tensors: Vec::new() }).collect() }
    }
}

impl<T: Real> Moments<T> {
    /// The values for the parameter with this index and of the shape of `like`, initially zero.
    pub(super) fn of(&mut self, index: usize, like: &Tensor<T>) -> &mut [T] {
        if self.tensors.len() <= index {
            self.tensors.resize(index + 1, None);
        }
        self.tensors[index].get_or_insert_with(|| Tensor::zeros(like.shape())).make_mut()
    }
}
