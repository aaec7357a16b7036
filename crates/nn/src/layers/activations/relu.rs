//! The rectified linear unit.

use crate::layers::prelude::*;

/// y = max(x, 0), any shape; NaN stays NaN.
///
/// dy/dx = 1 where x > 0 and 0 elsewhere, x = 0 included. Where x > 0 so is y, so the output alone tells which:
/// ∂x = (y > 0)·∂y.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("ReLU")]
pub struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        // Zero comes first, so that NaN stays.
        x.like(0.0).max(x)
    }
}

impl Differentiable for Relu {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, y: L) -> L {
        y.like(0.0).where_less(y, g, y.like(0.0))
    }
}

impl Pointwise for Relu {
    fn nature(&self) -> Nature {
        Nature::Rectifier { min: 0.0, max: f64::INFINITY }
    }

    fn activation(&self) -> Activation<'_> {
        Activation::Clip { low: 0.0, high: f64::INFINITY }
    }
}

pointwise!(Relu, "relu", by output);

#[cfg(test)]
mod tests {
    use super::Relu;
    use crate::layers::pointwise::record;
    use crate::layers::testing::*;

    #[test]
    fn the_kink_belongs_to_the_closed_side() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3], vec![-1.0, 0.0, 2.0]));
        let y = x.apply(Relu);
        assert_eq!(y.value().as_slice(), &[0.0, 0.0, 2.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_tape_for_training_reuses_the_buffer() {
        let tape = Tape::<f32>::keeping(Keep::Needed);
        let x = tape.leaf(Tensor::new([2], vec![-1.0, 2.0]));
        let address = x.value().as_slice().as_ptr();
        let y = record(Relu, x);
        assert_eq!((y.value().as_slice(), y.value().as_slice().as_ptr()), (&[0.0, 2.0][..], address));
    }
}
