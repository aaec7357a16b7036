//! The logistic function.

use crate::layers::prelude::*;

/// y = σ(x) = 1/(1 + e⁻ˣ), any shape.
///
/// dy/dx = e⁻ˣ/(1 + e⁻ˣ)² = y(1 − y).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("sigmoid")]
pub struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.logistic()
    }
}

impl Differentiable for Sigmoid {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, y: L) -> L {
        g * y * (y.like(1.0) - y)
    }
}

impl Pointwise for Sigmoid {
    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(Sigmoid, "sigmoid", by output);

#[cfg(test)]
mod tests {
    use super::Sigmoid;
    use crate::layers::testing::*;

    #[test]
    fn it_is_a_hyperbolic_tangent() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(5.0);
        let literal = x.mul_scalar(0.5).tanh().mul_scalar(0.5).add_scalar(0.5); // σ(x) = (1 + tanh(x/2))/2
        approx::assert_abs_diff_eq!(x.apply(Sigmoid).value(), literal.value(), epsilon = 1e-15);
    }

    #[test]
    fn far_out_it_is_flat_and_finite() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![-1000.0_f32, -80.0, 80.0, 1000.0]));
        let y = x.apply(Sigmoid);
        approx::assert_relative_eq!(y.value().as_slice()[1], (-80.0_f32).exp(), max_relative = 1e-6);
        assert_eq!((y.value().as_slice()[0], y.value().as_slice()[3]), (0.0, 1.0));
        assert!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice().iter().all(|g| g.is_finite()));
    }
}
