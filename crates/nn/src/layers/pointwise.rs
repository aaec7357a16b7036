//! Functions of one value, applied to each element: what their kinds of layer share.

use tensor::{Grads, Nature, Op, Tensor, Var};

use super::error::LayerError;
use super::run::{Run, Share};
use crate::function::Differentiable;
use crate::kernels::finish::Activation;
use crate::kernels::function::{Curve, Slope};
use crate::real::Real;

/// A [`Differentiable`] function that is a kind of layer, and its own operation on the tape.
pub(crate) trait Pointwise: Differentiable + AsCurve {
    /// What kind of function it is.
    fn nature(&self) -> Nature;

    /// Whether the settings are within their ranges.
    fn check(&self) -> Result<(), LayerError> {
        Ok(())
    }

    /// The step that computes it together with the layer before.
    fn activation(&self) -> Activation<'_> {
        Activation::Function(self.curve())
    }
}

/// A function whose type is forgotten, for generic code. (Where the conversion is written, the function's vectors are compiled: in
/// generic code that would be once for each crate that uses it.)
pub(crate) trait AsCurve {
    /// The function.
    fn curve(&self) -> &dyn Curve;
}

/// Implements [`AsCurve`].
macro_rules! curve {
    ($Function:ident) => {
        impl $crate::layers::pointwise::AsCurve for $Function {
            fn curve(&self) -> &dyn $crate::kernels::function::Curve {
                self
            }
        }
    };
}
pub(crate) use curve;

/// Computes f(x) and records it; in place where `x` is the last handle on its value and the backward pass doesn't need it.
pub(crate) fn record<T: Real, P: Pointwise + Op<T>>(op: P, x: Var<T>) -> Var<T> {
    x.consumed_by(op, |x| map(op.curve(), x))
}

/// As [`record`], for a layer that may be computed together with its neighbours.
pub(crate) fn record_run<T: Real, P: Pointwise + Op<T>>(op: P, mut run: Run<'_, T>) -> Var<T> {
    let x = run.input();
    if let Share::Apart = run.share {
        return record(op, x);
    }
    let (shape, from) = (*x.shape(), x.to_value());
    run.share.record(op, &[&x], shape, move |_| map(op.curve(), from.get().clone()))
}

/// f of each element; in place if nothing else shares the memory.
pub(crate) fn map<T: Real>(f: &dyn Curve, mut x: Tensor<T>) -> Tensor<T> {
    T::map(f, x.make_mut());
    x
}

/// The vector–Jacobian product of a function, by the value that its derivative is computed from.
pub(crate) fn vjp<T: Real>(f: &dyn Slope, mut upstream: Tensor<T>, value: &Tensor<T>) -> Grads<T> {
    T::vjp(f, upstream.make_mut(), value.as_slice());
    Grads::one(upstream)
}

/// Makes a [`Pointwise`] function an operation of this name, whose derivative is computed from its input or its output, and a
/// kind of layer.
macro_rules! pointwise {
    ($Function:ident, $name:literal, by input) => {
        $crate::layers::pointwise::pointwise!($Function, $name, INPUTS, false, |node| node.input(0));
    };
    ($Function:ident, $name:literal, by output) => {
        $crate::layers::pointwise::pointwise!($Function, $name, OUTPUT, true, |node| node.output());
    };
    ($Function:ident, $name:literal, $NEEDS:ident, $by_output:literal, |$node:ident| $value:expr) => {
        $crate::layers::pointwise::curve!($Function);

        impl $Function {
            /// The derivative, its type forgotten as [`AsCurve`](crate::layers::pointwise::AsCurve) forgets the function's.
            fn slope(&self) -> &dyn $crate::kernels::function::Slope {
                self
            }
        }

        impl<T: Real> Op<T> for $Function {
            fn name(&self) -> &'static str {
                $name
            }

            fn vjp(&self, $node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
                $crate::layers::pointwise::vjp(self.slope(), upstream, $value)
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

            fn fuses(&self) -> Fuses {
                Fuses::Function { by_output: $by_output }
            }
        }

        impl Record for $Function {
            fn record<T: Real>(&self, run: Run<'_, T>) -> Var<T> {
                $crate::layers::pointwise::record_run(*self, run)
            }

            fn activation(&self) -> Option<Activation<'_>> {
                Some(Pointwise::activation(self))
            }
        }
    };
}
pub(crate) use pointwise;
