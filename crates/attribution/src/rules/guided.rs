//! Guided backpropagation's rule.

use std::sync::Arc;

use nn::Real;
use tensor::{Grads, Nature, Node, Reason, Rule, Tensor, Wanted};

/// Guided backpropagation: a ReLU passes (x > 0)·(g > 0)·g. (Springenberg, Dosovitskiy, Brox and Riedmiller, *Striving for
/// Simplicity: The All Convolutional Net*, 2015, §3.4 and Figure 1.)
///
/// This is ReLU's own vector–Jacobian product, applied to the positive part of the upstream gradient. A clip such as
/// ReLU6 passes (min < x < max)·(g > 0)·g. Linear and affine operations, products and maxima follow the chain rule. All
/// other operations (sigmoid, hard sigmoid, tanh, SiLU, hard swish, GELU, ELU, softplus, leaky ReLU, layer and group norms) are refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guided;

impl<T: Real> Rule<T> for Guided {
    fn name(&self) -> &'static str {
        "guided backpropagation"
    }

    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, wanted: Wanted<'_>) -> Option<Grads<T>> {
        let op = node.any_op();
        matches!(op.nature(), Nature::Rectifier { .. }).then(|| op.vjp(node, upstream.positive_part(), wanted))
    }

    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), Reason> {
        Ok(super::check_rectifiers(path)?)
    }
}
