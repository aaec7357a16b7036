//! Pictures of a tape: its nodes, their memory, and the path of a gradient.

mod dot;
mod layout;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::backward::{Gradients, Step};
use crate::element::Element;
use crate::node::NodeId;
use crate::op::Leaf;
use crate::shape::Shape;
use crate::tape::Tape;
use crate::value::Value;

/// A picture of a tape: its nodes, with their names, shapes and memory, and its edges. It is written in Graphviz's language
/// ([`to_dot`](Self::to_dot)) or drawn as a list in SVG ([`to_svg`](Self::to_svg)).
///
/// ```
/// use tensor::{Exact, Tape, Tensor};
/// let tape = Tape::<f32>::new();
/// let x = tape.leaf(Tensor::zeros([8, 3])).labelled("x");             // [8, 3]
/// let w = tape.leaf(Tensor::zeros([3, 2])).labelled("w");             // [3, 2]
/// let y = x.matmul(&w).tanh().sum();                                  // []
/// let gradients = tape.backward(&y, &Exact, [&x])?;
/// let graph = tape.graph().with_gradients(&gradients);                // highlights the path to x
/// assert!(graph.to_dot().contains("n0 -> n2"));
/// assert!(graph.to_svg().contains(r#"class="edge passed" data-from="0" data-to="2""#));
/// assert_eq!(graph.bytes(), (8 * 3 + 3 * 2 + 2 * 8 * 2 + 1) * 4);
/// # Ok::<(), tensor::BackwardError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Drawn>,
    /// The name of the rule, if a gradient is shown.
    rule: Option<&'static str>,
}

/// A node as it is drawn.
#[derive(Clone, Debug)]
struct Drawn {
    operation: &'static str,
    is_leaf: bool,
    label: Option<String>,
    shape: Shape,
    memory: Memory,
    inputs: Vec<NodeId>,
    /// The step of the backward pass, if this node is on its path.
    step: Option<Step>,
}

/// The memory of a node's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Bytes(usize),
    /// Shared with an earlier node: by a reshape, for example.
    SharedWith(NodeId),
    /// The tape didn't keep it.
    NotKept,
}

impl Drawn {
    fn replaced(&self) -> bool {
        self.step.as_ref().is_some_and(|step| step.replaced)
    }

    /// Whether a gradient was passed on to the input with this index.
    fn handed_on(&self, input: usize) -> bool {
        self.step.as_ref().is_some_and(|step| step.handed_on[input])
    }

    fn memory_in_words(&self) -> String {
        match self.memory {
            Memory::Bytes(bytes) => in_words(bytes),
            Memory::SharedWith(id) => format!("as %{id}"),
            Memory::NotKept => "not kept".into(),
        }
    }
}

impl<T: Element> Tape<T> {
    /// A picture of the nodes recorded so far. Memory is that of inputs and outputs: it doesn't include what operations hold
    /// themselves, such as the indices of the maxima of a pooling.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let nodes = self.nodes();
        let mut kept: Vec<Option<Value<T>>> = vec![None; nodes.len()];
        for node in &nodes {
            // A deferred value that nobody has read takes no memory.
            let in_memory = |value: &Option<Value<T>>| value.clone().filter(Value::is_ready);
            kept[node.id()] = kept[node.id()].take().or(in_memory(&node.output));
            for input in &node.inputs {
                kept[input.id] = kept[input.id].take().or(in_memory(&input.value));
            }
        }
        let mut owners: HashMap<*const T, NodeId> = HashMap::new();
        let memory = kept.iter().enumerate().map(|(id, kept)| match kept {
            None => Memory::NotKept,
            Some(value) if value.get().is_empty() => Memory::Bytes(0),
            Some(value) => match *owners.entry(value.get().as_slice().as_ptr()).or_insert(id) {
                owner if owner == id => Memory::Bytes(size_of_val(value.get().as_slice())),
                owner => Memory::SharedWith(owner),
            },
        });
        let drawn = nodes.iter().zip(memory).map(|(node, memory)| Drawn {
            operation: node.any_op().name(),
            is_leaf: node.op::<Leaf>().is_some(),
            label: node.label().map(String::from),
            shape: *node.shape(),
            memory,
            inputs: node.input_ids().collect(),
            step: None,
        });
        Graph { nodes: drawn.collect(), rule: None }
    }
}

impl Graph {
    /// Highlights the path of a backward pass over the same tape, and marks the operations that its rule replaced.
    ///
    /// # Panics
    /// If the pass was over a longer tape.
    #[must_use]
    pub fn with_gradients<T: Element>(mut self, gradients: &Gradients<T>) -> Self {
        self.rule = Some(gradients.rule());
        self.nodes.iter_mut().for_each(|node| node.step = None);
        for (id, step) in gradients.steps() {
            self.nodes[id].step = Some(step.clone());
        }
        self
    }

    /// The bytes of all values that the tape keeps. Memory that several nodes share is counted once.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = |node: &Drawn| if let Memory::Bytes(bytes) = node.memory { bytes } else { 0 };
        self.nodes.iter().map(bytes).sum()
    }

    /// A summary of the picture.
    fn caption(&self) -> String {
        let total = format!("{} nodes, {} of values", self.nodes.len(), in_words(self.bytes()));
        match self.rule {
            Some(rule) => {
                let (passed, replaced) = (self.nodes.iter().filter(|node| node.step.is_some()), Drawn::replaced);
                let (passed, replaced) = (passed.count(), self.nodes.iter().filter(|node| replaced(node)).count());
                format!("{total}; gradient by the rule “{rule}”: through {passed} operations, {replaced} replaced")
            }
            None => total,
        }
    }
}

/// `512 B`, `1.5 KiB`.
fn in_words(bytes: usize) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let size = |unit: usize| bytes as f64 / 1024_f64.powi(unit as i32 + 1);
    match (0..units.len()).rev().find(|&unit| size(unit) >= 1.0) {
        Some(unit) => format!("{:.1} {}", size(unit), units[unit]),
        None => format!("{bytes} B"),
    }
}
