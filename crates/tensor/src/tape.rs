//! The tape: what was computed, in order.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::element::Element;
use crate::node::{Input, Node, NodeId};
use crate::op::{Leaf, Op};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A Wengert list: operations in the order in which they were computed. Values are computed as they are recorded;
/// nothing on the tape changes afterwards, and a backward pass is a function of it
/// ([`Tape::backward`](crate::Tape::backward)).
///
/// Cloning gives another handle on the same tape.
#[derive(Clone, Debug)]
pub struct Tape<T: Element> {
    inner: Arc<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T: Element> {
    nodes: RwLock<Vec<Arc<Node<T>>>>,
    keep: Keep,
}

/// Which values a tape keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Every value, so that any backward rule can be played over the tape and any activation looked at.
    All,
    /// Only what the exact chain rule needs: for training. Buffers that nothing needs are used again.
    Needed,
    /// Nothing: to compute a value that no gradient will be asked of.
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
    value: Tensor<T>,
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

    /// Which values this tape keeps.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.inner.keep
    }

    /// A value that nothing on the tape produced: an image, a weight.
    #[must_use]
    pub fn leaf(&self, value: Tensor<T>) -> Var<T> {
        self.push(Box::new(Leaf), Vec::new(), value)
    }

    /// Records that `op`, applied to `inputs`, gave `value`.
    ///
    /// # Panics
    /// Where an input stands on another tape.
    pub fn record(&self, op: impl Op<T>, inputs: &[&Var<T>], value: Tensor<T>) -> Var<T> {
        let entries = self.entries(&op, inputs.iter().copied());
        self.push(Box::new(op), entries, value)
    }

    fn entries<'a>(&self, op: &impl Op<T>, inputs: impl Iterator<Item = &'a Var<T>>) -> Vec<Input<T>> {
        let needs = op.needs();
        let entry = |(index, input): (usize, &Var<T>)| {
            assert!(Arc::ptr_eq(&input.tape.inner, &self.inner), "{}: input {index} is on another tape", op.name());
            let kept = self.inner.keep.keeps(needs.has_input(index));
            Input { id: input.node.id, shape: input.node.shape, value: kept.then(|| input.value.clone()) }
        };
        inputs.enumerate().map(entry).collect()
    }

    fn push(&self, op: Box<dyn Op<T>>, inputs: Vec<Input<T>>, value: Tensor<T>) -> Var<T> {
        let kept = self.inner.keep.keeps(op.needs().has_output());
        let mut nodes = self.inner.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let node = Arc::new(Node {
            id: nodes.len(),
            op,
            inputs,
            shape: *value.shape(),
            output: kept.then(|| value.clone()),
            label: OnceLock::new(),
        });
        nodes.push(Arc::clone(&node));
        Var { tape: self.clone(), node, value }
    }

    /// The nodes recorded so far, inputs before what is computed from them.
    #[must_use]
    pub fn nodes(&self) -> Vec<Arc<Node<T>>> {
        self.inner.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The variable of a node whose value was kept.
    #[must_use]
    pub fn var(&self, id: NodeId) -> Option<Var<T>> {
        let node = Arc::clone(self.inner.nodes.read().unwrap_or_else(PoisonError::into_inner).get(id)?);
        let value = node.kept_output()?.clone();
        Some(Var { tape: self.clone(), node, value })
    }
}

impl<T: Element> Var<T> {
    /// The tape it is on.
    #[must_use]
    pub fn tape(&self) -> &Tape<T> {
        &self.tape
    }

    /// Its entry on the tape.
    #[must_use]
    pub fn node(&self) -> &Node<T> {
        &self.node
    }

    /// Its place on the tape.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.node.id
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.node.shape
    }

    /// Gives its node a name; the first one given stays.
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
        let entries = self.tape.entries(&op, std::iter::once(&self).chain(others.iter().copied()));
        let Self { tape, value, .. } = self;
        tape.push(Box::new(op), entries, compute(value))
    }
}
