//! Functions of one value, applied to each element: what their kinds of layer share.

use tensor::{Grads, Nature, Op, Tensor, Var};

use super::error::LayerError;
use crate::real::Real;

/// A function f of one value, applied to each element: a kind of layer that is its own operation on the tape.
pub(crate) trait Pointwise: Copy + Sync {
    /// f(x).
    fn f<T: Real>(self, x: T) -> T;

    /// g·f′(x), from x or from y = f(x), as [`pointwise!`] is told.
    fn vjp<T: Real>(self, g: T, value: T) -> T;

    /// What kind of function it is.
    fn nature(&self) -> Nature;

    /// Whether the settings are within their ranges.
    fn check(&self) -> Result<(), LayerError> {
        Ok(())
    }
}

/// Computes f(x) and records it; in place where `x` is the last handle on its value and the backward pass doesn't need it.
pub(crate) fn record<T: Real, P: Pointwise + Op<T>>(op: P, x: Var<T>) -> Var<T> {
    x.consumed_by(op, |x| {
        x.map(
            #[inline(always)]
            |x| op.f(x),
        )
    })
}

/// The vector–Jacobian product of a function, by the value that its derivative is computed from.
pub(crate) fn vjp<T: Real>(op: impl Pointwise, upstream: Tensor<T>, value: &Tensor<T>) -> Grads<T> {
    Grads::one(upstream.zip(
        value,
        #[inline(always)]
        |g, value| op.vjp(g, value),
    ))
}

/// Makes a [`Pointwise`] function an operation of this name, whose derivative is computed from its input or its output, and a
/// kind of layer.
macro_rules! pointwise {
    ($Function:ident, $name:literal, by input) => {
        $crate::layers::pointwise::pointwise!($Function, $name, INPUTS, |node| node.input(0));
    };
    ($Function:ident, $name:literal, by output) => {
        $crate::layers::pointwise::pointwise!($Function, $name, OUTPUT, |node| node.output());
    };
    ($Function:ident, $name:literal, $NEEDS:ident, |$node:ident| $value:expr) => {
        impl<T: Real> Op<T> for $Function {
            fn name(&self) -> &'static str {
                $name
            }

            fn vjp(&self, $node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
                $crate::layers::pointwise::vjp(*self, upstream, $value)
            }

            fn needs(&self) -> Needs {
                Needs::$NEEDS
            }

            fn nature(&self) -> Nature {
                Pointwise::nature(self)
            }
        }

        impl SameShape for $Function {
            fn check(&self, _: &[usize]) -> Result<(), LayerError> {
                Pointwise::check(self)
            }
        }

        impl Record for $Function {
            fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
                let x = run.input();
                if run.fused { x } else { $crate::layers::pointwise::record(*self, x) }
            }
        }
    };
}
pub(crate) use pointwise;
