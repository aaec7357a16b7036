//! The deconvnet's rule.

use std::sync::Arc;

use nn::Real;
use tensor::{Grads, Nature, Node, Reason, Rule, Tensor, Wanted};

/// The deconvolutional network: a ReLU passes (g > 0)·g, whatever its input was. (Zeiler and Fergus, *Visualizing and
/// Understanding Convolutional Networks*, 2014, §2.1.)
///
/// Max pooling passes gradients to its maxima, which are the paper's switches. It follows the chain rule, as do linear
/// and affine operations and products. All other operations (sigmoid, hard sigmoid, tanh, SiLU, hard swish, GELU, ELU, softplus, leaky ReLU,
/// layer and group norms) are refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deconv;

impl<T: Real> Rule<T> for Deconv {
    fn name(&self) -> &'static str {
        "deconvnet"
    }

    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, _: Wanted<'_>) -> Option<Grads<T>> {
        matches!(node.any_op().nature(), Nature::Rectifier { .. }).then(|| Grads::one(upstream.positive_part()))
    }

    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), Reason> {
        Ok(super::check_rectifiers(path)?)
    }
}
