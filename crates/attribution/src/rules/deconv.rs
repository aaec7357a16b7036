//! The deconvnet's rule.

use std::sync::Arc;

use nn::Real;
use nn::ops::{Clip, Relu};
use tensor::{Grads, Node, Rule, Tensor, Wanted};

/// The deconvolutional network: a ReLU passes (g > 0)·g and forgets its own input. (Zeiler and Fergus, *Visualizing and
/// Understanding Convolutional Networks*, 2014, §2.1.)
///
/// Max pooling passes gradients to the places of its maxima, which are the paper's switches; everything else follows the
/// chain rule. What has no such reading (sigmoid, tanh, SiLU, GELU, ELU, softplus, leaky ReLU, layer and group norms) is
/// refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deconv;

impl<T: Real> Rule<T> for Deconv {
    fn name(&self) -> &'static str {
        "deconvnet"
    }

    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, _: Wanted<'_>) -> Option<Grads<T>> {
        let rectifier = node.op::<Relu>().is_some() || node.op::<Clip>().is_some();
        rectifier.then(|| Grads::one(upstream.positive_part()))
    }

    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), String> {
        super::check_rectifiers(path)
    }
}
