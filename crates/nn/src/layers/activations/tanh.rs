//! The hyperbolic tangent.

use crate::layers::prelude::*;

/// y = tanh x, any shape: [`tensor::ops::Tanh`] on the tape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("tanh")]
pub struct Tanh;

impl SameShape for Tanh {}

impl Record for Tanh {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        run.input().tanh()
    }
}
