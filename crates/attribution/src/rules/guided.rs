//! Guided backpropagation's rule.

use std::sync::Arc;

use nn::Real;
use nn::ops::{Clip, Relu};
use tensor::{Grads, Node, Op, Rule, Tensor, Wanted};

/// Guided backpropagation: a ReLU passes (x > 0)·(g > 0)·g. (Springenberg, Dosovitskiy, Brox and Riedmiller, *Striving for
/// Simplicity: The All Convolutional Net*, 2015, §3.4 and Figure 1.)
///
/// That is ReLU's own vector–Jacobian product, applied to the positive part of what arrives. A clip such as ReLU6 is read
/// the same way, (min < x < max)·(g > 0)·g. Everything else follows the chain rule; what has no such reading (sigmoid,
/// tanh, SiLU, GELU, ELU, softplus, leaky ReLU, layer and group norms) is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guided;

impl<T: Real> Rule<T> for Guided {
    fn name(&self) -> &'static str {
        "guided backpropagation"
    }

    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, wanted: Wanted<'_>) -> Option<Grads<T>> {
        let positive = || upstream.positive_part();
        let relu = node.op::<Relu>().map(|relu| relu.vjp(node, positive(), wanted));
        relu.or_else(|| node.op::<Clip>().map(|clip| clip.vjp(node, positive(), wanted)))
    }

    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), String> {
        super::check_rectifiers(path)
    }
}
