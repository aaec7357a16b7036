//! What a layer is given when it is recorded on a tape.

use tensor::{Op, Shape, Tensor, Value, Var};

use super::kind::Kind;
use super::parameter::Parameter;
use super::statistics::BatchStatistics;
use crate::kernels::finish::{Activation, Affine, Finish};
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

    /// The map of each channel that the layer is in evaluation, given its parameters and running statistics, if it
    /// [fuses](Kind::fuses) as one.
    fn affine<T: Real>(&self, _stored: &[Parameter<T>]) -> Option<Affine<T>> {
        None
    }

    /// Replaces a part of the layer's input in evaluation, from the value of this index on, by that part of its output; for
    /// layers that can stand within an attention, whose part is some rows.
    fn map_part<T: Real>(&self, _stored: &[Parameter<T>], _shape: &Shape, _first: usize, _part: &mut [T]) {
        unreachable!("{self} isn't computed by parts");
    }

    /// The function of each element that the layer is, if it [fuses](Kind::fuses) as one.
    fn activation(&self) -> Option<Activation<'_>> {
        None
    }
}

/// The part that a layer has in a chain of layers that are computed together.
pub(crate) enum Share<'a, T: Real> {
    /// It is computed by itself.
    Apart,
    /// It comes first: it leaves the value of the whole chain, which is its own after these steps.
    Begins(&'a Finish<'a, T>, &'a mut Option<Tensor<T>>),
    /// It comes between the first and the last.
    Continues,
    /// It comes last: this is its value.
    Ends(Tensor<T>),
}

/// Gives an operation's value after some steps.
type Compute<T> = dyn Fn(&Finish<'_, T>) -> Tensor<T> + Send + Sync;

impl<T: Real> Share<'_, T> {
    /// Records an operation whose value, after some steps, `compute` gives. What a chain doesn't keep is computed again if
    /// somebody reads it.
    pub(crate) fn record(
        self,
        op: impl Op<T>,
        inputs: &[&Var<T>],
        shape: impl Into<Shape>,
        compute: impl Fn(&Finish<'_, T>) -> Tensor<T> + Send + Sync + 'static,
    ) -> Var<T> {
        self.record_boxed(Box::new(op), inputs, shape.into(), Box::new(compute))
    }

    /// Not generic over the operation, so that it is compiled once.
    fn record_boxed(self, op: Box<dyn Op<T>>, inputs: &[&Var<T>], shape: Shape, compute: Box<Compute<T>>) -> Var<T> {
        let later = |compute: Box<Compute<T>>| Value::deferred(move || compute(&Finish::NONE));
        let value = match self {
            Self::Apart => compute(&Finish::NONE).into(),
            Self::Ends(value) => value.into(),
            Self::Continues => later(compute),
            Self::Begins(finish, value) => {
                *value = Some(compute(finish));
                later(compute)
            }
        };
        inputs[0].tape().record_value(op, inputs, shape, value)
    }
}

/// The inputs and parameters of a layer, and how it is to be computed.
#[expect(missing_debug_implementations, reason = "layers alone look inside")]
pub struct Run<'a, T: Real> {
    pub(crate) inputs: Vec<Var<T>>,
    /// The variables of the layer's parameters; running statistics have none.
    pub(crate) parameters: &'a [Option<Var<T>>],
    /// The layer's parameters as the model stores them.
    pub(crate) stored: &'a [Parameter<T>],
    pub(crate) mode: Mode,
    pub(crate) share: Share<'a, T>,
    /// The layer's index in the model.
    pub(crate) layer: usize,
    /// Where batch norms leave the statistics of the batch.
    pub(crate) statistics: &'a mut Vec<BatchStatistics<T>>,
}

impl<'a, T: Real> Run<'a, T> {
    /// The only input; its memory may be written to where nothing else holds the variable.
    pub(crate) fn input(&mut self) -> Var<T> {
        self.inputs.pop().expect("one input")
    }

    /// The parameter of this index.
    pub(crate) fn parameter(&self, index: usize) -> &'a Var<T> {
        self.optional_parameter(index).expect("a parameter of the layer")
    }

    /// The parameter of this index, if the layer has it.
    pub(crate) fn optional_parameter(&self, index: usize) -> Option<&'a Var<T>> {
        self.parameters.get(index).and_then(Option::as_ref)
    }

    /// The running statistic of this index.
    pub(crate) fn statistic(&self, index: usize) -> &Tensor<T> {
        &self.stored[index].value
    }
}
