//! The error function.

use std::f64::consts::FRAC_2_SQRT_PI;

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = erf x = 2/√π ∫₀ˣ e^(−t²) dt, any shape: the part of [`Gelu`](super::Gelu) that some exporters write out. By the
/// integral, dy/dx = 2/√π · e^(−x²). Both are computed in double precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erf;

impl<T: Real> Op<T> for Erf {
    fn name(&self) -> &'static str {
        "erf"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(upstream.zip(node.input(0), |g, x| {
            let x = x.as_f64();
            g * T::from_f64(FRAC_2_SQRT_PI * (-x * x).exp())
        }))
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// erf x.
#[must_use]
pub fn erf<T: Real>(x: &Var<T>) -> Var<T> {
    x.tape().record(Erf, &[x], x.value().clone().map(|x| T::from_f64(libm::erf(x.as_f64()))))
}

#[cfg(test)]
mod tests {
    use super::erf;
    use crate::ops::testing::random;
    use crate::ops::{Gelu, NetworkOps};
    use tensor::{Tape, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([40], 1)], |v| erf(&v[0].mul_scalar(3.0))).within(1e-7).unwrap();
    }

    #[test]
    fn gelu_is_made_of_it() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(4.0);
        let gelu = x.mul_scalar(0.5).mul(&erf(&x.mul_scalar(0.5_f64.sqrt())).add_scalar(1.0));
        approx::assert_abs_diff_eq!(gelu.value(), x.gelu(Gelu { tanh: false }).value(), epsilon = 1e-15);
    }
}
