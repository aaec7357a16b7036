//! The part of a tape between the image and the score.

use std::collections::BTreeSet;
use std::sync::Arc;

use nn::Real;
use tensor::{BackwardError, Gradients, Nature, Node, NodeId, Rule, Tensor, Var};

/// `source` and all nodes that are computed from it.
pub(crate) fn computed_from<T: Real>(nodes: &[Arc<Node<T>>], source: NodeId) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::from([source]);
    for node in nodes {
        if node.input_ids().any(|input| found.contains(&input)) {
            found.insert(node.id());
        }
    }
    found
}

/// The nature of an operation as a function of the inputs that vary, with its other inputs constant. It is
/// [`Nature::Other`] if the operation's own nature doesn't determine it, as for a product of two inputs that both vary,
/// or a convolution whose kernel varies.
pub(crate) fn nature_in<T: Real>(node: &Node<T>, varies: impl Fn(NodeId) -> bool) -> Nature {
    let nature = node.any_op().nature();
    let varying: Vec<usize> =
        node.input_ids().enumerate().filter(|(_, id)| varies(*id)).map(|(input, _)| input).collect();
    let applies = match nature {
        Nature::Moves | Nature::Linear => true,
        Nature::Multilinear => varying.len() == 1,
        _ => varying == [0],
    };
    if applies { nature } else { Nature::Other }
}

/// Every value on a path from `input` to `output`, both included, in the order of the tape.
pub(crate) fn values_between<T: Real>(input: &Var<T>, output: &Var<T>) -> Vec<Var<T>> {
    let nodes = input.tape().nodes();
    let from_input = computed_from(&nodes, input.id());
    let mut reached = BTreeSet::from([output.id()]);
    for node in nodes[..=output.id()].iter().rev() {
        if reached.contains(&node.id()) {
            reached.extend(node.input_ids().filter(|input| from_input.contains(input)));
        }
    }
    let kept = |&id: &NodeId| input.tape().var(id).expect("an explaining tape keeps every value");
    reached.iter().map(kept).collect()
}

/// Every value on a path from the image to the logits, and ∂S/∂value.
pub(crate) struct Path<T: Real> {
    /// The values in the order of the tape: the image first, the logits last.
    pub(crate) values: Vec<Var<T>>,
    gradients: Gradients<T>,
}

impl<T: Real> Path<T> {
    /// The gradients under a rule at every value from `input` to `output`, starting with ∂S/∂output = `seed`.
    pub(crate) fn under(
        rule: &dyn Rule<T>,
        [input, output]: [&Var<T>; 2],
        seed: &Tensor<T>,
    ) -> Result<Self, BackwardError> {
        let values = values_between(input, output);
        let gradients = input.tape().backward_from(output, seed.clone(), rule, &values)?;
        Ok(Self { values, gradients })
    }

    /// Whether a node is on a path from the image to the logits.
    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.values.binary_search_by_key(&id, |value| value.id()).is_ok()
    }

    /// ∂S/∂value.
    pub(crate) fn gradient(&self, value: &Var<T>) -> Tensor<T> {
        self.gradients[value].clone()
    }
}
