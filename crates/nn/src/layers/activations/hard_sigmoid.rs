//! The sigmoid made of three lines.

use super::Clip;
use crate::layers::pointwise;
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

impl SameShape for HardSigmoid {
    fn check(&self, _: &[usize]) -> Result<(), LayerError> {
        let settings = [self.slope, self.offset];
        let is_finite = settings.iter().all(|setting| setting.is_finite());
        LayerError::unless(is_finite, "slope and offset of a hard sigmoid", settings, "finite numbers")
    }
}

impl Record for HardSigmoid {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let line = run.input().mul_scalar(self.slope).add_scalar(self.offset);
        pointwise::record(Clip { min: 0.0, max: 1.0 }, line)
    }
}
