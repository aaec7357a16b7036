//! The leaky rectified linear unit.

use crate::layers::prelude::*;

/// y = x where x > 0 and `slope`·x elsewhere, any shape (Maas, Hannun and Ng, *Rectifier nonlinearities improve neural
/// network acoustic models*, 2013).
///
/// dy/dx = 1 where x > 0 and `slope` elsewhere, x = 0 included. The slope isn't negative, so y > 0 exactly where x > 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("leaky ReLU {}", self.slope)]
pub struct LeakyRelu {
    /// The slope left of 0.
    pub slope: f64,
}

impl Function for LeakyRelu {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.like(0.0).where_less(x, x, x.like(self.slope) * x)
    }
}

impl Differentiable for LeakyRelu {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, y: L) -> L {
        y.like(0.0).where_less(y, g, y.like(self.slope) * g)
    }
}

impl Pointwise for LeakyRelu {
    fn nature(&self) -> Nature {
        Nature::Bends
    }

    fn check(&self) -> Result<(), LayerError> {
        let is_finite = (0.0..=f64::MAX).contains(&self.slope);
        LayerError::unless(is_finite, "the slope of a leaky ReLU", self.slope, "a finite number from 0")
    }
}

pointwise!(LeakyRelu, "leaky relu", by output);

#[cfg(test)]
mod tests {
    use super::LeakyRelu;
    use crate::layers::Relu;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_rectified_part_and_a_slope_times_the_rest() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 2));
        let literal = x.apply(Relu).sub(&x.neg().apply(Relu).mul_scalar(0.2));
        approx::assert_abs_diff_eq!(x.apply(LeakyRelu { slope: 0.2 }).value(), literal.value(), epsilon = 1e-16);
    }

    #[test]
    fn the_kink_belongs_to_the_slope() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3], vec![-2.0, 0.0, 2.0]));
        let y = x.apply(LeakyRelu { slope: 0.25 });
        assert_eq!(y.value().as_slice(), &[-0.5, 0.0, 2.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.25, 0.25, 1.0]);
    }
}
