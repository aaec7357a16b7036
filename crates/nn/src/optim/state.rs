//! What an optimiser remembers between steps.

use tensor::Tensor;

use crate::real::Real;

/// What an optimiser remembers between steps: with its settings, all that it needs to go on where it was.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<T: Real = f32> {
    /// Steps made.
    pub steps: u64,
    /// Its running values, each of them one tensor per parameter.
    pub moments: Vec<Moments<T>>,
}

/// One kind of running value.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments<T: Real = f32> {
    /// Its name: `velocity`, `mean`, `square`.
    pub name: &'static str,
    /// A tensor of the parameter's shape for each place in [`Model::parameters`](crate::Model::parameters); none where no
    /// gradient has come yet.
    pub tensors: Vec<Option<Tensor<T>>>,
}

impl<T: Real> OptimizerState<T> {
    /// Nothing yet, for running values of these names.
    pub(super) fn new(names: &[&'static str]) -> Self {
        Self { steps: 0, moments: names.iter().map(|&name| Moments { name, tensors: Vec::new() }).collect() }
    }
}

impl<T: Real> Moments<T> {
    /// The values of the parameter at this place, zero at first.
    pub(super) fn of(&mut self, index: usize, like: &Tensor<T>) -> &mut [T] {
        if self.tensors.len() <= index {
            self.tensors.resize(index + 1, None);
        }
        self.tensors[index].get_or_insert_with(|| Tensor::zeros(like.shape())).make_mut()
    }
}
