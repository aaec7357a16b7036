//! Another shape.

use crate::{Element, Grads, Nature, Needs, Node, Op, Shape, Tensor, Var, Wanted};

/// The same elements with another shape. The gradient is the upstream with the old one.
#[derive(Clone, Copy, Debug)]
pub struct Reshape;

impl<T: Element> Op<T> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(upstream.reshape(*node.input_shape(0)))
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Moves
    }
}

impl<T: Element> Var<T> {
    /// The same elements with another shape. Nothing is copied.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[must_use]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        self.tape().record(Reshape, &[self], self.value().reshape(shape))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([2, 6], |i| i as f64);
        gradcheck(&[x], |v| v[0].reshape([3, 4]).tanh()).within(1e-8).unwrap();
    }
}
