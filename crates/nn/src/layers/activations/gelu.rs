//! The Gaussian error linear unit.

use crate::layers::prelude::*;

/// y = x·Φ(x), any shape, Φ being the distribution function of the standard normal distribution (Hendrycks and Gimpel,
/// *Gaussian error linear units*, 2016):
///
/// ```text
/// Φ(x) = ½·(1 + erf(x/√2))      or, approximately,      ½·(1 + tanh u),   u = √(2/π)·(x + 0.044715·x³)
/// ```
///
/// The product rule gives dy/dx = Φ(x) + x·Φ′(x), where Φ′(x) = e^(−x²/2)/√(2π), or ½·(1 − tanh² u)·u′ with
/// u′ = √(2/π)·(1 + 3·0.044715·x²). y isn't monotonic, so the input is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("{}", if self.tanh { "GELU (tanh)" } else { "GELU" })]
pub struct Gelu {
    /// Whether Φ is the approximation by a hyperbolic tangent.
    pub tanh: bool,
}

impl Function for Gelu {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        if self.tanh { x.gelu_tanh() } else { x.gelu() }
    }
}

impl Differentiable for Gelu {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, x: L) -> L {
        g * if self.tanh { x.gelu_tanh_slope() } else { x.gelu_slope() }
    }
}

impl Pointwise for Gelu {
    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(Gelu, "gelu", by input);

#[cfg(test)]
mod tests {
    use super::Gelu;
    use crate::layers::testing::*;

    const BOTH: [Gelu; 2] = [Gelu { tanh: false }, Gelu { tanh: true }];

    #[test]
    fn the_approximation_is_near() {
        let tape = Tape::new();
        let x = tape.leaf(random([200], 1)).mul_scalar(5.0);
        approx::assert_abs_diff_eq!(x.apply(BOTH[0]).value(), x.apply(BOTH[1]).value(), epsilon = 5e-4);
    }

    #[test]
    fn far_out_it_is_zero_or_the_input() {
        for gelu in BOTH {
            let tape = Tape::new();
            let x = tape.leaf(Tensor::new([4], vec![-1e30_f32, -40.0, 40.0, 1e30]));
            let y = x.apply(gelu);
            assert_eq!(y.value().as_slice(), &[0.0, 0.0, 40.0, 1e30]);
            assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 1.0, 1.0]);
        }
    }
}
