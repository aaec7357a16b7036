//! The error function.

use crate::layers::prelude::*;

/// y = erf x = 2/√π ∫₀ˣ e^(−t²) dt, any shape: the part of [`Gelu`](super::Gelu) that some exporters write out. By the
/// integral, dy/dx = 2/√π · e^(−x²).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("erf")]
pub struct Erf;

impl Function for Erf {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.erf()
    }
}

impl Differentiable for Erf {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, x: L) -> L {
        g * x.erf_slope()
    }
}

impl Pointwise for Erf {
    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(Erf, "erf", by input);

#[cfg(test)]
mod tests {
    use super::Erf;
    use crate::layers::Gelu;
    use crate::layers::testing::*;

    #[test]
    fn gelu_is_made_of_it() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(4.0);
        let gelu = x.mul_scalar(0.5).mul(&x.mul_scalar(0.5_f64.sqrt()).apply(Erf).add_scalar(1.0));
        approx::assert_abs_diff_eq!(gelu.value(), x.apply(Gelu { tanh: false }).value(), epsilon = 1e-15);
    }
}
