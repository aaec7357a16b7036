//! The logistic function.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = σ(x) = 1/(1 + e⁻ˣ), any shape.
///
/// dy/dx = e⁻ˣ/(1 + e⁻ˣ)² = y(1 − y).
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

impl<T: Real> Op<T> for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(upstream.zip(node.output(), |g, y| g * y * (T::one() - y)))
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }
}

/// σ(x) of a number. The exponent is never positive, so nothing overflows: 1/(1 + e⁻ˣ) = eˣ/(1 + eˣ).
pub(super) fn logistic<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    (if x < T::zero() { e } else { T::one() }) / (T::one() + e)
}

/// 1/(1 + e⁻ˣ). Works in place where `x` was the last owner of its value.
#[must_use]
pub fn sigmoid<T: Real>(x: Var<T>) -> Var<T> {
    x.consumed_by(Sigmoid, |x| x.map(logistic))
}

#[cfg(test)]
mod tests {
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([40], 1)], |v| v[0].mul_scalar(5.0).sigmoid()).within(1e-8).unwrap();
    }

    #[test]
    fn it_is_a_hyperbolic_tangent() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(5.0);
        let literal = x.mul_scalar(0.5).tanh().mul_scalar(0.5).add_scalar(0.5); // σ(x) = (1 + tanh(x/2))/2
        approx::assert_abs_diff_eq!(x.sigmoid().value(), literal.value(), epsilon = 1e-15);
    }

    #[test]
    fn far_out_it_is_flat_and_finite() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![-1000.0_f32, -80.0, 80.0, 1000.0]));
        let y = x.sigmoid();
        approx::assert_relative_eq!(y.value().as_slice()[1], (-80.0_f32).exp(), max_relative = 1e-6);
        assert_eq!((y.value().as_slice()[0], y.value().as_slice()[3]), (0.0, 1.0));
        assert!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice().iter().all(|g| g.is_finite()));
    }
}
