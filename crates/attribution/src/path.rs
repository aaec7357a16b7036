//! What lies on the tape between an image and a score.

use std::collections::BTreeSet;
use std::sync::Arc;

use nn::Real;
use tensor::{BackwardError, Exact, Gradients, Node, NodeId, Rule, Tensor, Var};

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

/// Every value between two, `input` first and `output` last, in the order of the tape.
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

/// Every value between the image and the logits, and ∂S/∂value.
pub(crate) struct Path<T: Real> {
    /// In the order of the tape: the image first, the logits last.
    pub(crate) values: Vec<Var<T>>,
    gradients: Gradients<T>,
}

impl<T: Real> Path<T> {
    /// What a rule brings to every value between two, from ∂S/∂output = `seed`.
    pub(crate) fn under(
        rule: &dyn Rule<T>,
        [input, output]: [&Var<T>; 2],
        seed: &Tensor<T>,
    ) -> Result<Self, BackwardError> {
        let values = values_between(input, output);
        let gradients = input.tape().backward_from(output, seed.clone(), rule, &values)?;
        Ok(Self { values, gradients })
    }

    /// ∂S/∂value.
    pub(crate) fn gradient(&self, value: &Var<T>) -> Tensor<T> {
        self.gradients[value].clone()
    }
}

impl<T: Real> Pass<'_, T> {
    /// The exact gradient everywhere between the image and the logits, from ∂S/∂logits = `seed`.
    pub(crate) fn path(&self, seed: &Tensor<T>) -> Result<Path<T>, ExplainError> {
        Ok(Path::under(&Exact, [&self.forward().input, &self.forward().logits], seed)?)
    }
}
