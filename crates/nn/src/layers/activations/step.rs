//! The step function.

use crate::layers::prelude::*;

/// y = 1 where x > `threshold` and 0 elsewhere, any shape: a comparison, as networks have it that choose between values.
///
/// It is flat on both sides of its jump: dy/dx = 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("step at {}", self.threshold)]
pub struct Step {
    /// Where it jumps; at the threshold itself it is 0.
    pub threshold: f64,
}

impl Function for Step {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.like(self.threshold).where_less(x, x.like(1.0), x.like(0.0))
    }
}

impl Differentiable for Step {
    #[inline(always)]
    fn vjp<L: Lanes>(self, _: L, y: L) -> L {
        y.like(0.0)
    }
}

impl Pointwise for Step {
    fn nature(&self) -> Nature {
        Nature::Other
    }

    fn check(&self) -> Result<(), LayerError> {
        LayerError::unless(self.threshold.is_finite(), "the threshold of a step", self.threshold, "a finite number")
    }
}

pointwise!(Step, "step", by output);

#[cfg(test)]
mod tests {
    use super::Step;
    use crate::layers::testing::*;

    #[test]
    fn it_is_flat_on_both_sides() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([5], vec![-1.0_f32, 0.5, 0.6, 9.0, f32::NAN]));
        let y = x.apply(Step { threshold: 0.5 });
        assert_eq!(y.value().as_slice(), &[0.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0; 5]);
    }
}
