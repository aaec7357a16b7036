//! The rectified linear unit.

use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = max(x, 0), any shape.
///
/// dy/dx = 1 where x > 0 and 0 elsewhere, x = 0 included. Where x > 0 so is y, so the output alone tells which:
/// ∂x = (y > 0)·∂y.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl<T: Real> Op<T> for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(masked(upstream, node.output()))
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseLinear
    }
}

/// ∂x = (y > 0)·∂y.
pub(super) fn masked<T: Real>(upstream: Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
    upstream.zip(y, |g, y| if y > T::zero() { g } else { T::zero() })
}

/// max(x, 0). NaN stays NaN. Works in place where `x` was the last owner of its value.
#[must_use]
pub fn relu<T: Real>(x: Var<T>) -> Var<T> {
    x.consumed_by(Relu, |x| x.map(rectified))
}

/// max(x, 0), and NaN where x is.
pub(super) fn rectified<T: Real>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}

#[cfg(test)]
mod tests {
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Exact, Keep, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([40], 1)], |v| v[0].relu()).within(1e-8).unwrap();
    }

    #[test]
    fn the_kink_belongs_to_the_closed_side() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3], vec![-1.0, 0.0, 2.0]));
        let y = x.relu();
        assert_eq!(y.value().as_slice(), &[0.0, 0.0, 2.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_tape_for_training_reuses_the_buffer() {
        let tape = Tape::<f32>::keeping(Keep::Needed);
        let x = tape.leaf(Tensor::new([2], vec![-1.0, 2.0]));
        let address = x.value().as_slice().as_ptr();
        let y = super::relu(x);
        assert_eq!((y.value().as_slice(), y.value().as_slice().as_ptr()), (&[0.0, 2.0][..], address));
    }
}
