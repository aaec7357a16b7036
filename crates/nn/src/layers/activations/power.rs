//! A power of each element.

use crate::layers::prelude::*;

/// y = xᵖ for a constant p, any shape: a square (p = 2), a square root (½), a reciprocal (−1). For negative x it is not a
/// number, unless p is whole.
///
/// dy/dx = p·xᵖ⁻¹. Where that isn't finite, as for the root at 0, the gradient is taken as 0: the length of a vector of
/// zeros, √Σx², then has the derivative 0 that its neighbours have on average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("power {}", self.exponent)]
pub struct Power {
    /// p.
    pub exponent: f64,
}

impl Function for Power {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        match self.exponent {
            2.0 => x * x,
            0.5 => x.sqrt(),
            -1.0 => x.like(1.0) / x,
            exponent => x.each(|x| x.powf(exponent)),
        }
    }
}

impl Differentiable for Power {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, x: L) -> L {
        let power = match self.exponent {
            2.0 => x,
            0.5 => x.like(1.0) / x.sqrt(),
            exponent => x.each(|x| x.powf(exponent - 1.0)),
        };
        let slope = power.abs().where_less(x.like(f64::INFINITY), x.like(self.exponent) * power, x.like(0.0));
        g * slope
    }
}

impl Pointwise for Power {
    fn check(&self) -> Result<(), LayerError> {
        LayerError::unless(self.exponent.is_finite(), "the exponent of a power", self.exponent, "a finite number")
    }

    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(Power, "power", by input);

#[cfg(test)]
mod tests {
    use super::Power;
    use crate::layers::testing::*;

    #[test]
    fn gradients_agree_with_differences() {
        let positive = Tensor::new([4], vec![0.3, 0.9, 1.0, 2.7]);
        for exponent in [2.0, 0.5, -1.0, -0.5, 3.0, 1.7, 1.0, 0.0] {
            gradcheck(std::slice::from_ref(&positive), |v| v[0].apply(Power { exponent })).within(1e-7).unwrap();
        }
        let negative = Tensor::new([4], vec![-2.0, -0.8, -1.3, 0.7]);
        for exponent in [2.0, 3.0, -1.0, -2.0] {
            gradcheck(std::slice::from_ref(&negative), |v| v[0].apply(Power { exponent })).within(1e-7).unwrap();
        }
    }

    #[test]
    fn special_powers_are_the_general_one() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![0.25, 1.0, 2.0, 9.0]));
        for exponent in [2.0, 0.5, -1.0] {
            let general = x.value().clone().map(|x: f64| x.powf(exponent));
            approx::assert_relative_eq!(x.apply(Power { exponent }).value(), &general, epsilon = 1e-15);
        }
    }

    #[test]
    fn the_length_of_nothing_hands_nothing_back() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::zeros([1, 3]));
        let length = x.apply(Power { exponent: 2.0 }).sum_axes(&[1]).apply(Power { exponent: 0.5 });
        assert_eq!(tape.backward(&length, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0; 3]);
    }
}
