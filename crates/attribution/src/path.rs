//! What lies on the tape between an image and a score.

use std::collections::BTreeSet;
use std::sync::Arc;

use nn::Real;
use tensor::{Exact, Gradients, Node, NodeId, Tensor, Var};

use crate::error::ExplainError;
use crate::pass::Pass;

/// The nodes that are computed from `source`, and itself.
pub(crate) fn computed_from<T: Real>(nodes: &[Arc<Node<T>>], source: NodeId) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::from([source]);
    for node in nodes {
        if node.input_ids().any(|input| found.contains(&input)) {
            found.insert(node.id());
        }
    }
    found
}

/// Every value between the image and the logits, and ∂S/∂value.
pub(crate) struct Path<T: Real> {
    /// In the order of the tape: the image first, the logits last.
    pub(crate) values: Vec<Var<T>>,
    gradients: Gradients<T>,
}

impl<T: Real> Path<T> {
    /// ∂S/∂value.
    pub(crate) fn gradient(&self, value: &Var<T>) -> Tensor<T> {
        self.gradients.get(value).expect("every value on the path was asked for")
    }
}

impl<T: Real> Pass<'_, T> {
    /// Every value between the image and the logits, the image first.
    pub(crate) fn values_on_path(&self) -> Vec<Var<T>> {
        let (nodes, logits) = (self.tape().nodes(), &self.forward().logits);
        let from_image = computed_from(&nodes, self.forward().input.id());
        let mut reached = BTreeSet::from([logits.id()]);
        for node in nodes[..=logits.id()].iter().rev() {
            if reached.contains(&node.id()) {
                reached.extend(node.input_ids().filter(|input| from_image.contains(input)));
            }
        }
        let kept = |&id: &NodeId| self.tape().var(id).expect("an explaining tape keeps every value");
        reached.iter().map(kept).collect()
    }

    /// The exact gradient everywhere between the image and the logits, from ∂S/∂logits = `seed`.
    pub(crate) fn path(&self, seed: &Tensor<T>) -> Result<Path<T>, ExplainError> {
        let values = self.values_on_path();
        let gradients = self.tape().backward_from(&self.forward().logits, seed.clone(), &Exact, &values)?;
        Ok(Path { values, gradients })
    }
}
