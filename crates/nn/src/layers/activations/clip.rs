//! Clipping to an interval; ReLU6.

use std::fmt;

use crate::kernels::bounds::clipped;
use crate::layers::prelude::*;

/// y = min(max(x, `min`), `max`), any shape; NaN stays NaN. ReLU6 is the interval from 0 to 6.
///
/// dy/dx = 1 where min < x < max and 0 elsewhere, both bounds included. y lies strictly inside exactly where x does, so
/// the output alone tells which: ∂x = (min < y < max)·∂y.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// The lower bound.
    pub min: f64,
    /// The upper bound.
    pub max: f64,
}

impl Clip {
    /// The interval of ReLU6 (Krizhevsky, *Convolutional Deep Belief Networks on CIFAR-10*, 2010).
    pub const RELU6: Self = Self { min: 0.0, max: 6.0 };
}

impl Function for Clip {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        clipped(x, self.min, self.max)
    }
}

impl Differentiable for Clip {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, y: L) -> L {
        let [min, max, zero] = [self.min, self.max, 0.0].map(|x| y.like(x));
        min.where_less(y, y.where_less(max, g, zero), zero)
    }
}

impl Pointwise for Clip {
    fn nature(&self) -> Nature {
        Nature::Rectifier { min: self.min, max: self.max }
    }

    fn activation(&self) -> Activation<'_> {
        Activation::Clip { low: self.min, high: self.max }
    }

    fn check(&self) -> Result<(), LayerError> {
        LayerError::unless(self.min < self.max, "the interval of a clip", [self.min, self.max], "min < max")
    }
}

pointwise!(Clip, "clip", by output);

impl fmt::Display for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::RELU6 { f.write_str("ReLU6") } else { write!(f, "clip {}…{}", self.min, self.max) }
    }
}

#[cfg(test)]
mod tests {
    use super::Clip;
    use crate::layers::testing::*;

    #[test]
    fn both_bounds_belong_to_the_closed_side() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([6], vec![-1.0, 0.0, 0.5, 5.5, 6.0, 7.0]));
        let y = x.apply(Clip::RELU6);
        assert_eq!(y.value().as_slice(), &[0.0, 0.0, 0.5, 5.5, 6.0, 6.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn nan_stays() {
        let y = Tape::new().leaf(Tensor::new([1], vec![f32::NAN])).apply(Clip::RELU6);
        assert!(y.value().item().is_nan());
    }
}
