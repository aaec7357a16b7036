//! An entry of the tape.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::element::Element;
use crate::op::Op;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::value::Value;

/// The index of a node on its tape. The inputs of an operation come before it.
pub type NodeId = usize;

/// An entry of the tape: an operation, its inputs, and the values that its backward pass needs.
#[derive(Debug)]
pub struct Node<T: Element> {
    pub(crate) id: NodeId,
    pub(crate) op: Box<dyn Op<T>>,
    pub(crate) inputs: Vec<Input<T>>,
    pub(crate) shape: Shape,
    pub(crate) output: Option<Value<T>>,
    pub(crate) label: OnceLock<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct Input<T: Element> {
    pub(crate) id: NodeId,
    pub(crate) shape: Shape,
    pub(crate) value: Option<Value<T>>,
}

impl<T: Element> Node<T> {
    /// The index on the tape.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The operation.
    #[must_use]
    pub fn any_op(&self) -> &dyn Op<T> {
        self.op.as_ref()
    }

    /// The operation, if it is an `O`.
    #[must_use]
    pub fn op<O: Op<T>>(&self) -> Option<&O> {
        (self.op.as_ref() as &dyn Any).downcast_ref()
    }

    /// The number of inputs.
    #[must_use]
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The indices of the inputs on the tape.
    pub fn input_ids(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.inputs.iter().map(|input| input.id)
    }

    /// The shape of an input.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn input_shape(&self, index: usize) -> &Shape {
        &self.inputs[index].shape
    }

    /// The value of an input.
    ///
    /// # Panics
    /// If there is no such input, or the tape didn't keep its value ([`Op::needs`]).
    #[must_use]
    pub fn input(&self, index: usize) -> &Tensor<T> {
        self.kept_input(index).unwrap_or_else(|| panic!("{}: input {index} was not kept on the tape", self.op.name()))
    }

    /// The value of an input, if the tape kept it.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn kept_input(&self, index: usize) -> Option<&Tensor<T>> {
        self.inputs[index].value.as_ref().map(Value::get)
    }

    /// The shape of the output.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The value of the output.
    ///
    /// # Panics
    /// If the tape didn't keep it ([`Op::needs`]).
    #[must_use]
    pub fn output(&self) -> &Tensor<T> {
        self.kept_output().unwrap_or_else(|| panic!("{}: the output was not kept on the tape", self.op.name()))
    }

    /// The value of the output, if the tape kept it.
    #[must_use]
    pub fn kept_output(&self) -> Option<&Tensor<T>> {
        self.output.as_ref().map(Value::get)
    }

    /// The label, such as the name of a layer.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.get().map(AsRef::as_ref)
    }
}
