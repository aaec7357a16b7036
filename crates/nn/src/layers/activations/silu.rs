//! The sigmoid linear unit, also called swish.

use crate::layers::prelude::*;

/// y = x·σ(x), any shape (Elfwing, Uchibe and Doya, *Sigmoid-weighted linear units*, 2018).
///
/// With σ′ = σ(1 − σ) the product rule gives dy/dx = σ + xσ(1 − σ) = σ·(1 + x(1 − σ)). y isn't monotonic, so the input is
/// needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("SiLU")]
pub struct Silu;

impl Function for Silu {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.silu()
    }
}

impl Differentiable for Silu {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, x: L) -> L {
        g * x.silu_slope()
    }
}

impl Pointwise for Silu {
    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(Silu, "silu", by input);

#[cfg(test)]
mod tests {
    use super::Silu;
    use crate::layers::Sigmoid;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_input_times_its_sigmoid() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(5.0);
        assert_eq!(x.apply(Silu).value(), x.mul(&x.apply(Sigmoid)).value());
    }

    #[test]
    fn far_out_it_is_zero_or_the_input() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([2], vec![-1000.0_f32, 1000.0]));
        let y = x.apply(Silu);
        assert_eq!(y.value().as_slice(), &[0.0, 1000.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 1.0]);
    }
}
