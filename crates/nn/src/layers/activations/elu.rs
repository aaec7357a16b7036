//! The exponential linear unit.

use std::fmt;

use crate::layers::prelude::*;

/// y = x where x > 0 and α·(eˣ − 1) elsewhere, any shape (Clevert, Unterthiner and Hochreiter, *Fast and accurate deep network
/// learning by exponential linear units*, 2016).
///
/// dy/dx = 1 where x > 0 and α·eˣ = y + α elsewhere. α isn't negative, so y > 0 exactly where x > 0: the output is enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elu {
    /// α; the function approaches −α far left of 0.
    pub alpha: f64,
}

impl Function for Elu {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.like(0.0).where_less(x, x, x.like(self.alpha) * x.exp_m1())
    }
}

impl Differentiable for Elu {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, y: L) -> L {
        y.like(0.0).where_less(y, g, g * (y + y.like(self.alpha)))
    }
}

impl Pointwise for Elu {
    fn check(&self) -> Result<(), LayerError> {
        let is_finite = (0.0..=f64::MAX).contains(&self.alpha);
        LayerError::unless(is_finite, "the α of an ELU", self.alpha, "a finite number from 0")
    }

    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(Elu, "elu", by output);

impl fmt::Display for Elu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alpha == 1.0 { f.write_str("ELU") } else { write!(f, "ELU {}", self.alpha) }
    }
}

#[cfg(test)]
mod tests {
    use super::Elu;
    use crate::layers::Relu;
    use crate::layers::testing::*;

    #[test]
    fn gradients_agree_with_differences() {
        for alpha in [0.0, 0.5, 1.0, 2.0] {
            gradcheck(&[random([40], 1)], |v| v[0].mul_scalar(4.0).apply(Elu { alpha })).within(1e-7).unwrap();
        }
    }

    #[test]
    fn it_is_the_rectified_part_and_an_exponential() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 2)).mul_scalar(4.0);
        let negative = x.neg().apply(Relu).neg().exp().add_scalar(-1.0).mul_scalar(0.7);
        approx::assert_abs_diff_eq!(
            x.apply(Elu { alpha: 0.7 }).value(),
            x.apply(Relu).add(&negative).value(),
            epsilon = 1e-15
        );
    }

    #[test]
    fn far_out_it_is_minus_alpha_or_the_input_and_small_inputs_keep_their_digits() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![-1000.0_f32, -1e-12, 0.0, 1000.0]));
        let y = x.apply(Elu { alpha: 1.0 });
        assert_eq!(y.value().as_slice(), &[-1.0, -1e-12, 0.0, 1000.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 1.0, 1.0, 1.0]);
    }
}
