//! The softplus function.

use crate::layers::prelude::*;

/// y = ln(1 + eˣ), any shape: a smooth ReLU (Dugas, Bengio, Bélisle, Nadeau and Garcia, *Incorporating second-order functional
/// knowledge for better option pricing*, 2001).
///
/// dy/dx = eˣ/(1 + eˣ) = σ(x), and since e⁻ʸ = 1/(1 + eˣ) = 1 − σ(x), the output is enough: dy/dx = 1 − e⁻ʸ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("softplus")]
pub struct Softplus;

impl Function for Softplus {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.softplus()
    }
}

impl Differentiable for Softplus {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, y: L) -> L {
        g * y.softplus_slope()
    }
}

impl Pointwise for Softplus {
    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(Softplus, "softplus", by output);

#[cfg(test)]
mod tests {
    use super::Softplus;
    use crate::layers::Sigmoid;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_logarithm_of_a_sum() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(5.0);
        let literal = x.exp().add_scalar(1.0).ln();
        approx::assert_abs_diff_eq!(x.apply(Softplus).value(), literal.value(), epsilon = 1e-14);
        let gradient = &tape.backward(&x.apply(Softplus), &Exact, [&x]).unwrap()[&x];
        approx::assert_abs_diff_eq!(gradient, x.apply(Sigmoid).value(), epsilon = 1e-14);
    }

    #[test]
    fn far_out_it_is_nearly_zero_or_the_input() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![-1000.0_f32, -80.0, 80.0, 1000.0]));
        let y = x.apply(Softplus);
        approx::assert_relative_eq!(y.value().as_slice()[1], (-80.0_f32).exp(), max_relative = 1e-6);
        assert_eq!((y.value().as_slice()[0], &y.value().as_slice()[2..]), (0.0, &[80.0, 1000.0][..]));
        let gradient = &tape.backward(&y, &Exact, [&x]).unwrap()[&x];
        approx::assert_relative_eq!(gradient.as_slice()[1], (-80.0_f32).exp(), max_relative = 1e-6);
        assert_eq!((gradient.as_slice()[0], &gradient.as_slice()[2..]), (0.0, &[1.0, 1.0][..]));
    }
}
