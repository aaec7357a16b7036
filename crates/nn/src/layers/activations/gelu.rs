//! The Gaussian error linear unit.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::sigmoid::logistic;
use crate::layers::prelude::*;

/// y = x·Φ(x), any shape, Φ being the distribution function of the standard normal distribution (Hendrycks and Gimpel,
/// *Gaussian error linear units*, 2016):
///
/// ```text
/// Φ(x) = ½·(1 + erf(x/√2))      or, approximately,      ½·(1 + tanh u),   u = √(2/π)·(x + 0.044715·x³)
/// ```
///
/// The product rule gives dy/dx = Φ(x) + x·Φ′(x), where Φ′(x) = e^(−x²/2)/√(2π), or ½·(1 − tanh² u)·u′ with
/// u′ = √(2/π)·(1 + 3·0.044715·x²). y isn't monotonic, so the input is needed. Φ and Φ′ are computed in double precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("{}", if self.tanh { "GELU (tanh)" } else { "GELU" })]
pub struct Gelu {
    /// Whether Φ is the approximation by a hyperbolic tangent.
    pub tanh: bool,
}

/// √(2/π).
const SQRT_2_OVER_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// The factor of x³ in the approximation.
const CUBIC: f64 = 0.044_715;

impl Gelu {
    /// Φ(x).
    fn distribution(self, x: f64) -> f64 {
        if self.tanh {
            logistic(2.0 * inner(x)) // ½·(1 + tanh u) = σ(2u)
        } else {
            // ½·(1 + erf) would cancel to nothing far to the left.
            0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
        }
    }

    /// Φ′(x).
    fn density(self, x: f64) -> f64 {
        if self.tanh {
            let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
            let u = inner(x);
            2.0 * slope * logistic(2.0 * u) * logistic(-2.0 * u) // σ′ = σ(1 − σ), and 1 − σ(2u) = σ(−2u)
        } else {
            0.5 * SQRT_2_OVER_PI * (-0.5 * x * x).exp()
        }
    }
}

/// u of the approximation.
fn inner(x: f64) -> f64 {
    SQRT_2_OVER_PI * (x + CUBIC * x * x * x)
}

impl Pointwise for Gelu {
    #[inline(always)]
    fn f<T: Real>(self, x: T) -> T {
        x * T::from_f64(self.distribution(x.as_f64()))
    }

    #[inline(always)]
    fn vjp<T: Real>(self, g: T, x: T) -> T {
        let x = x.as_f64();
        g * T::from_f64(self.distribution(x) + x * self.density(x))
    }

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
    fn the_distribution_is_the_integral_of_the_density() {
        for gelu in BOTH {
            // Simpson's rule from far left, where nothing lies.
            let integral = |x: f64| {
                let steps = 20_000;
                let h = (x + 12.0) / f64::from(steps);
                let weight = |i| if i == 0 || i == steps { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
                (0..=steps).map(|i| weight(i) * gelu.density(-12.0 + f64::from(i) * h)).sum::<f64>() * h / 3.0
            };
            for x in [-3.0, -0.4, 0.0, 0.7, 2.5] {
                approx::assert_abs_diff_eq!(gelu.distribution(x), integral(x), epsilon = 1e-12);
            }
        }
    }

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
