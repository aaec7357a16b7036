//! Functions that the tape has: the absolute value, the exponential function and the logarithm.

use crate::layers::prelude::*;

/// Makes a kind of layer of an operation of the tape.
macro_rules! elementary {
    ($(#[$doc:meta])* $Kind:ident, $text:literal, $operation:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
        #[display($text)]
        pub struct $Kind;

        impl SameShape for $Kind {}

        impl Record for $Kind {
            fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
                run.input().$operation()
            }
        }
    };
}

elementary! {
    /// y = |x|, any shape; dy/dx is the sign of x, and 0 at the kink x = 0.
    Abs, "abs", abs
}

elementary! {
    /// y = eˣ, any shape; dy/dx = y.
    Exp, "exp", exp
}

elementary! {
    /// y = ln x, any shape; dy/dx = 1/x. For negative x it is not a number.
    Log, "log", ln
}
