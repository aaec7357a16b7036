//! What a layer is given when it is recorded on a tape.

use tensor::{Tensor, Var};

use super::kind::Kind;
use super::parameter::Parameter;
use super::statistics::BatchStatistics;
use crate::real::Real;

/// How a forward pass treats batch norm and dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Running statistics, no dropout: to predict and to explain.
    Evaluation,
    /// Statistics of the batch, dropout drawn from this seed.
    Training {
        /// Seed of the dropout masks; another for each step.
        seed: u64,
    },
}

/// A kind of layer that can be recorded.
pub(crate) trait Record: Kind {
    /// Computes the output and records how.
    fn record<T: Real>(&self, run: Run<'_, T>) -> Var<T>;
}

/// The inputs and parameters of a layer, and how it is to be computed.
pub(crate) struct Run<'a, T: Real> {
    pub(crate) inputs: Vec<Var<T>>,
    /// The variables of the layer's parameters; running statistics have none.
    pub(crate) parameters: &'a [Option<Var<T>>],
    /// The layer's parameters as the model stores them.
    pub(crate) stored: &'a [Parameter<T>],
    pub(crate) mode: Mode,
    /// Whether the layer and the ReLU after it are computed as one: by the layer, so that the ReLU passes on its input.
    pub(crate) fused: bool,
    /// The layer's index in the model.
    pub(crate) layer: usize,
    /// Where batch norms leave the statistics of the batch.
    pub(crate) statistics: &'a mut Vec<BatchStatistics<T>>,
}

impl<T: Real> Run<'_, T> {
    /// The only input; its memory may be written to where nothing else holds the variable.
    pub(crate) fn input(&mut self) -> Var<T> {
        self.inputs.pop().expect("one input")
    }

    /// The parameter of this index.
    pub(crate) fn parameter(&self, index: usize) -> &Var<T> {
        self.optional_parameter(index).expect("a parameter of the layer")
    }

    /// The parameter of this index, if the layer has it.
    pub(crate) fn optional_parameter(&self, index: usize) -> Option<&Var<T>> {
        self.parameters.get(index).and_then(Option::as_ref)
    }

    /// The running statistic of this index.
    pub(crate) fn statistic(&self, index: usize) -> &Tensor<T> {
        &self.stored[index].value
    }
}
