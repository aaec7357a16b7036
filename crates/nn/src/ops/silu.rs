//! The sigmoid linear unit, also called swish.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted};

use super::sigmoid::logistic;
use crate::real::Real;

/// y = x·σ(x), any shape (Elfwing, Uchibe and Doya, *Sigmoid-weighted linear units*, 2018).
///
/// With σ′ = σ(1 − σ) the product rule gives dy/dx = σ + xσ(1 − σ) = σ·(1 + x(1 − σ)). y isn't monotonic, so the input is
/// needed.
#[derive(Clone, Copy, Debug)]
pub struct Silu;

impl<T: Real> Op<T> for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(upstream.zip(node.input(0), |g, x| {
            let s = logistic(x);
            g * s * (T::one() + x * (T::one() - s))
        }))
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// x·σ(x).
#[must_use]
pub fn silu<T: Real>(x: &Var<T>) -> Var<T> {
    let y = x.value().clone().map(|x| x * logistic(x));
    x.tape().record(Silu, &[x], y)
}

#[cfg(test)]
mod tests {
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([40], 1)], |v| v[0].mul_scalar(5.0).silu()).within(1e-7).unwrap();
    }

    #[test]
    fn it_is_the_input_times_its_sigmoid() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(5.0);
        assert_eq!(x.silu().value(), x.mul(&x.sigmoid()).value());
    }

    #[test]
    fn far_out_it_is_zero_or_the_input() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([2], vec![-1000.0_f32, 1000.0]));
        let y = x.silu();
        assert_eq!(y.value().as_slice(), &[0.0, 1000.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 1.0]);
    }
}
