//! Multiplication element by element: y = a·b, ∂y/∂a = b, ∂y/∂b = a.

use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// Multiplication element by element: y = a·b, ∂y/∂a = b, ∂y/∂b = a.
#[derive(Clone, Copy, Debug)]
pub struct Mul;

impl<T: Element> Op<T> for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        Grads::new([
            wanted.then(0, || upstream.clone().zip_broadcast(node.input(1), |g, b| g * b).sum_to(node.input_shape(0))),
            wanted.then(1, || upstream.zip_broadcast(node.input(0), |g, a| g * a).sum_to(node.input_shape(1))),
        ])
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn nature(&self) -> Nature {
        Nature::Multilinear
    }
}

/// a · b, broadcasting. The result is computed in place of `a` if it has its shape and nothing else needs the value.
///
/// # Panics
/// If the shapes don't broadcast, or the two are on different tapes.
#[must_use]
pub fn mul<T: Element>(a: Var<T>, b: &Var<T>) -> Var<T> {
    a.consumed_with(Mul, &[b], |a| a.zip_broadcast(b.value(), |a, b| a * b))
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences_under_broadcasting() {
        let a = Tensor::from_fn([2, 1, 3], |i| 0.4 + i as f64 * 0.3);
        let b = Tensor::from_fn([4, 1], |i| -1.7 + i as f64 * 0.9);
        gradcheck(&[a.clone(), b], |v| &v[0] * &v[1]).within(1e-8).unwrap();
        gradcheck(&[a], |v| &v[0] * &v[0]).within(1e-8).unwrap();
    }
}
