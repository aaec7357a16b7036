//! The sigmoid made of three lines.

use super::Clip;
use crate::layers::prelude::*;

/// y = slope·x + offset, held between 0 and 1, any shape (Courbariaux, Bengio and David, *BinaryConnect*, 2015).
///
/// dy/dx = slope where 0 < y < 1 and 0 elsewhere: the output is enough. A sigmoid's place is that of a gate, so that it isn't
/// among the [rectifiers](Nature::Rectifier) although it clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("hard sigmoid")]
pub struct HardSigmoid {
    /// The slope between the bounds.
    pub slope: f64,
    /// The value at 0.
    pub offset: f64,
}

const BOUNDS: Clip = Clip { min: 0.0, max: 1.0 };

impl Function for HardSigmoid {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        BOUNDS.f(x * x.like(self.slope) + x.like(self.offset))
    }
}

impl Differentiable for HardSigmoid {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, y: L) -> L {
        BOUNDS.vjp(g, y) * y.like(self.slope)
    }
}

impl Pointwise for HardSigmoid {
    fn nature(&self) -> Nature {
        Nature::Smooth
    }

    fn check(&self) -> Result<(), LayerError> {
        let settings = [self.slope, self.offset];
        let is_finite = settings.iter().all(|setting| setting.is_finite());
        LayerError::unless(is_finite, "slope and offset of a hard sigmoid", settings, "finite numbers")
    }
}

pointwise!(HardSigmoid, "hard sigmoid", by output);

#[cfg(test)]
mod tests {
    use super::HardSigmoid;
    use crate::layers::Clip;
    use crate::layers::testing::*;

    const EXAMPLE: HardSigmoid = HardSigmoid { slope: 0.2, offset: 0.5 };

    #[test]
    fn it_is_a_line_between_two_bounds() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 1)).mul_scalar(4.0);
        let literal = x.mul_scalar(0.2).add_scalar(0.5).apply(Clip { min: 0.0, max: 1.0 });
        assert_eq!(x.apply(EXAMPLE).value(), literal.value());
        let [found, expected] =
            [x.apply(EXAMPLE), literal].map(|y| tape.backward(&y, &Exact, [&x]).unwrap()[&x].clone());
        assert_eq!(found, expected);
    }

    #[test]
    fn gradients_agree_with_differences() {
        let checked = gradcheck(&[random([40], 2)], |v| v[0].mul_scalar(4.0).apply(EXAMPLE));
        assert_eq!(checked.skipped, 0);
        checked.within(1e-7).unwrap();
    }
}
