//! Addition: y = a + b, ∂y/∂a = ∂y/∂b = 1.

use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// Addition: y = a + b, ∂y/∂a = ∂y/∂b = 1.
#[derive(Clone, Copy, Debug)]
pub struct Add;

impl<T: Element> Op<T> for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        Grads::new([
            wanted.then(0, || upstream.sum_to(node.input_shape(0))),
            wanted.then(1, || upstream.sum_to(node.input_shape(1))),
        ])
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Linear
    }
}

/// a + b, broadcasting. The result is computed in place of `a` if it has its shape and nothing else needs the value.
///
/// # Panics
/// If the shapes don't broadcast, or the two are on different tapes.
#[must_use]
pub fn add<T: Element>(a: Var<T>, b: &Var<T>) -> Var<T> {
    a.consumed_with(Add, &[b], |a| a.zip_broadcast(b.value(), |a, b| a + b))
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences_under_broadcasting() {
        let a = Tensor::from_fn([2, 1, 3], |i| 0.4 + i as f64 * 0.3);
        let b = Tensor::from_fn([4, 1], |i| -1.7 + i as f64 * 0.9);
        gradcheck(&[a.clone(), b], |v| &v[0] + &v[1]).within(1e-8).unwrap();
        gradcheck(&[a], |v| &v[0] + &v[0]).within(1e-8).unwrap();
    }
}
