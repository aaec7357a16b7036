//! The sigmoid made of three lines.

use tensor::ops::{AddScalar, MulScalar};

use super::Clip;
use crate::layers::pointwise::{AsCurve, curve, map};
use crate::layers::prelude::*;

/// y = slope·x + offset, held between 0 and 1, any shape (Courbariaux, Bengio and David, *BinaryConnect*, 2015): a product, a
/// sum and a [`Clip`] on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("hard sigmoid")]
pub struct HardSigmoid {
    /// The slope between the bounds.
    pub slope: f64,
    /// The value at 0.
    pub offset: f64,
}

curve!(HardSigmoid);

impl Function for HardSigmoid {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        BOUNDS.f(x * x.like(self.slope) + x.like(self.offset))
    }
}

const BOUNDS: Clip = Clip { min: 0.0, max: 1.0 };

impl SameShape for HardSigmoid {
    fn check(&self, _: &[usize]) -> Result<(), LayerError> {
        let settings = [self.slope, self.offset];
        let is_finite = settings.iter().all(|setting| setting.is_finite());
        LayerError::unless(is_finite, "slope and offset of a hard sigmoid", settings, "finite numbers")
    }

    fn fuses(&self) -> Fuses {
        Fuses::Function { by_output: true }
    }
}

impl Record for HardSigmoid {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, this @ Self { slope: factor, offset: addend }) = (run.input(), *self);
        let (tape, shape, from) = (x.tape(), *x.shape(), x.to_value());
        let input = from.clone();
        let scaled = move || input.get().clone().map(|x| x * T::from_f64(factor));
        let product = tape.defer(MulScalar { factor }, &[&x], shape, scaled.clone());
        let shifted = move || scaled().map(|x| x + T::from_f64(addend));
        let line = tape.defer(AddScalar { addend }, &[&product], shape, shifted);
        run.share.record(BOUNDS, &[&line], shape, move |_| map(this.curve(), from.get().clone()))
    }

    fn activation(&self) -> Option<Activation<'_>> {
        Some(Activation::Function(self.curve()))
    }
}
