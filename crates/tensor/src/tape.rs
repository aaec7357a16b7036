//! The tape: operations in the order in which they were computed.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::element::Element;
use crate::node::{Input, Node, NodeId};
use crate::op::{Leaf, Op};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::value::Value;

/// A Wengert list: operations in the order in which they were computed. Values are computed when the operation is recorded, or
/// when they are first read ([`Value::deferred`]). Nothing on the tape changes afterwards. A backward pass is a function of the tape
/// ([`Tape::backward`]).
///
/// A clone is another handle on the same tape.
#[derive(Clone, Debug)]
pub struct Tape<T: Element> {
    inner: Arc<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T: Element> {
    nodes: RwLock<Vec<Arc<Node<T>>>>,
    keep: Keep,
}

/// The values that a tape keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All values, for any backward rule and for reading any activation.
    All,
    /// The values that the chain rule needs: for training. The memory of the others is used again.
    Needed,
    /// None: for values without gradients.
    Nothing,
}

impl Keep {
    fn keeps(self, needed: bool) -> bool {
        match self {
            Self::All => true,
            Self::Needed => needed,
            Self::Nothing => false,
        }
    }
}

/// A value on a tape.
#[derive(Clone, Debug)]
pub struct Var<T: Element> {
    tape: Tape<T>,
    node: Arc<Node<T>>,
    value: Value<T>,
}

impl<T: Element> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Tape<T> {
    /// An empty tape that keeps every value.
    #[must_use]
    pub fn new() -> Self {
        Self::keeping(Keep::All)
    }

    /// An empty tape that keeps these values.
    #[must_use]
    pub fn keeping(keep: Keep) -> Self {
        Self { inner: Arc::new(Inner { nodes: RwLock::default(), keep }) }
    }

    /// The values that this tape keeps.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.inner.keep
    }

    /// Records a value that no operation on the tape computes: an image, a weight.
    #[must_use]
    pub fn leaf(&self, value: Tensor<T>) -> Var<T> {
        self.push(Box::new(Leaf), Vec::new(), *value.shape(), value.into())
    }

    /// Records that `op`, applied to `inputs`, has the result `value`.
    ///
    /// # Panics
    /// If an input is on another tape.
    pub fn record(&self, op: impl Op<T>, inputs: &[&Var<T>], value: Tensor<T>) -> Var<T> {
        self.record_value(Box::new(op), inputs, *value.shape(), value.into())
    }

    /// As [`record`](Self::record), for a value of this shape that may be [deferred](Value::deferred): that of a step that was
    /// computed together with its neighbours and not kept.
    ///
    /// # Panics
    /// If an input is on another tape. With debug assertions, if a value that is ready has another shape.
    pub fn record_value(&self, op: Box<dyn Op<T>>, inputs: &[&Var<T>], shape: Shape, value: Value<T>) -> Var<T> {
        debug_assert!(!value.is_ready() || *value.get().shape() == shape, "{}: the value's shape", op.name());
        let entries = self.entries(&*op, inputs);
        self.push(op, entries, shape, value)
    }

    fn entries(&self, op: &dyn Op<T>, inputs: &[&Var<T>]) -> Vec<Input<T>> {
        let needs = op.needs();
        let entry = |(index, input): (usize, &&Var<T>)| {
            assert!(Arc::ptr_eq(&input.tape.inner, &self.inner), "{}: input {index} is on another tape", op.name());
            let kept = self.inner.keep.keeps(needs.has_input(index));
            Input { id: input.node.id, shape: input.node.shape, value: kept.then(|| input.value.clone()) }
        };
        inputs.iter().enumerate().map(entry).collect()
    }

    fn push(&self, op: Box<dyn Op<T>>, inputs: Vec<Input<T>>, shape: Shape, value: Value<T>) -> Var<T> {
        let kept = self.inner.keep.keeps(op.needs().has_output());
        let mut nodes = self.inner.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let node = Arc::new(Node {
            id: nodes.len(),
            op,
            inputs,
            shape,
            output: kept.then(|| value.clone()),
            label: OnceLock::new(),
        });
        nodes.push(Arc::clone(&node));
        Var { tape: self.clone(), node, value }
    }

    /// The nodes recorded so far.
    #[must_use]
    pub fn nodes(&self) -> Vec<Arc<Node<T>>> {
        self.inner.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The variable of a node. `None` if there is no such node, or its value wasn't kept.
    #[must_use]
    pub fn var(&self, id: NodeId) -> Option<Var<T>> {
        let node = Arc::clone(self.inner.nodes.read().unwrap_or_else(PoisonError::into_inner).get(id)?);
        let value = node.output.clone()?;
        Some(Var { tape: self.clone(), node, value })
    }
}

impl<T: Element> Var<T> {
    /// The tape it is on.
    #[must_use]
    pub fn tape(&self) -> &Tape<T> {
        &self.tape
    }

    /// Its node on the tape.
    #[must_use]
    pub fn node(&self) -> &Node<T> {
        &self.node
    }

    /// The index of its node on the tape.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.node.id
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &Tensor<T> {
        self.value.get()
    }

    /// Gives a deferred variable its value where it is known from elsewhere, so that nobody computes it again.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn fulfil(&self, value: Tensor<T>) {
        assert_eq!(value.shape(), self.shape(), "the value of a deferred variable");
        self.value.fulfil(value);
    }

    /// Its value, apart from the tape: one that is deferred stays so.
    #[must_use]
    pub fn to_value(&self) -> Value<T> {
        self.value.clone()
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.node.shape
    }

    /// Labels its node. The first label stays.
    #[must_use]
    pub fn labelled(self, label: impl Into<Arc<str>>) -> Self {
        let _ = self.node.label.set(label.into());
        self
    }

    /// Records an operation of this variable alone. `compute` gets the value itself: it can be overwritten in place, if
    /// neither the tape nor another variable holds it.
    #[must_use]
    pub fn consumed_by<O: Op<T>>(self, op: O, compute: impl FnOnce(Tensor<T>) -> Tensor<T>) -> Self {
        self.consumed_with(op, &[], compute)
    }

    /// As [`consumed_by`](Self::consumed_by), for an operation of this variable and `others`, in this order.
    ///
    /// # Panics
    /// If one of the others is on another tape.
    #[must_use]
    pub fn consumed_with<O: Op<T>>(
        self,
        op: O,
        others: &[&Self],
        compute: impl FnOnce(Tensor<T>) -> Tensor<T>,
    ) -> Self {
        self.consume(Box::new(op), others, Box::new(compute))
    }

    /// Not generic over the operation, so that it is compiled once.
    fn consume(
        self,
        op: Box<dyn Op<T>>,
        others: &[&Self],
        compute: Box<dyn FnOnce(Tensor<T>) -> Tensor<T> + '_>,
    ) -> Self {
        let entries = self.tape.entries(&*op, &[&[&self], others].concat());
        let Self { tape, value, .. } = self;
        let value = compute(value.into_tensor());
        tape.push(op, entries, *value.shape(), value.into())
    }
}
