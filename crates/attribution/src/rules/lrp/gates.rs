//! Gates: sigmoids that multiply other values.

use std::collections::BTreeSet;
use std::sync::Arc;

use nn::Real;
use nn::layers::{HardSigmoid, Sigmoid};
use tensor::ops::Mul;
use tensor::{Nature, Node, NodeId};

/// The values of gates: sigmoids and hard sigmoids that are only ever multiplied with other values of the image, and what
/// moves their values on the way there. (Arras, Arjona-Medina, Widrich, Montavon, Gillhofer, Müller, Hochreiter and Samek,
/// *Explaining and Interpreting LSTMs*, 2019.)
pub(super) fn gates<T: Real>(nodes: &[Arc<Node<T>>], of_image: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let varying = |node: &Node<T>| node.input_ids().filter(|id| of_image.contains(id)).count();
    // From the last node to the first: whether a value is read by factors of products alone.
    let mut factors = BTreeSet::new();
    for node in nodes.iter().rev().filter(|node| of_image.contains(&node.id())) {
        let mut readers =
            nodes[node.id()..].iter().filter(|reader| reader.input_ids().any(|id| id == node.id())).peekable();
        let is_factor = readers.peek().is_some()
            && readers.all(|reader| match reader.any_op().nature() {
                Nature::Moves => varying(reader) == 1 && factors.contains(&reader.id()),
                _ => reader.op::<Mul>().is_some() && varying(reader) == 2,
            });
        if is_factor {
            factors.insert(node.id());
        }
    }
    let mut gates = BTreeSet::new();
    for node in nodes.iter().filter(|node| factors.contains(&node.id())) {
        let is_sigmoid = node.op::<Sigmoid>().is_some() || node.op::<HardSigmoid>().is_some();
        let is_moved = node.any_op().nature() == Nature::Moves && node.input_ids().any(|id| gates.contains(&id));
        if is_sigmoid || is_moved {
            gates.insert(node.id());
        }
    }
    gates
}
