//! The hyperbolic tangent.

use tensor::ops;

use crate::layers::pointwise::{AsCurve, curve, map};
use crate::layers::prelude::*;

/// y = tanh x, any shape: [`tensor::ops::Tanh`] on the tape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("tanh")]
pub struct Tanh;

curve!(Tanh);

impl Function for Tanh {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x.tanh()
    }
}

impl SameShape for Tanh {
    fn fuses(&self) -> Fuses {
        Fuses::Function { by_output: true }
    }
}

impl Record for Tanh {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let (shape, from) = (*x.shape(), x.to_value());
        run.share.record(ops::Tanh, &[&x], shape, move |_| map(Self.curve(), from.get().clone()))
    }

    fn activation(&self) -> Option<Activation<'_>> {
        Some(Activation::Function(self.curve()))
    }
}
