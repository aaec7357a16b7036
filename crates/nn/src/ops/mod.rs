//! The operations of a convolutional network, one file each: shapes, formula and derivation, the forward pass, the
//! vector–Jacobian product, and their tests.
//!
//! Each is a function of [`Var`]s; [`NetworkOps`] offers them as methods. Recorded operations are recognised by their
//! types (`node.op::<Relu>()`).

mod conv2d;
mod linear;
mod relu;
#[cfg(test)]
pub(crate) mod testing;

use tensor::Var;

pub use conv2d::conv2d;
pub use linear::{Linear, linear};
pub use relu::{Relu, relu};

use crate::geometry::Conv2d;
use crate::real::Real;

/// The operations of a convolutional network as methods of [`Var`]. Activations are `[N, H, W, C]`.
pub trait NetworkOps<T: Real>: Sized {
    /// Convolution without a bias; see [`conv2d`].
    #[must_use]
    fn conv2d(&self, w: &Var<T>, conv: Conv2d) -> Var<T>;
    /// Convolution with a bias; see [`conv2d`].
    #[must_use]
    fn conv2d_with_bias(&self, w: &Var<T>, bias: &Var<T>, conv: Conv2d) -> Var<T>;
    /// max(x, 0); see [`relu`].
    #[must_use]
    fn relu(&self) -> Var<T>;
    /// Fully connected: x·w + b; see [`linear`].
    #[must_use]
    fn linear(&self, w: &Var<T>, bias: &Var<T>) -> Var<T>;
}

impl<T: Real> NetworkOps<T> for Var<T> {
    fn conv2d(&self, w: &Self, conv: Conv2d) -> Self {
        conv2d(self, w, None, conv)
    }

    fn conv2d_with_bias(&self, w: &Self, bias: &Self, conv: Conv2d) -> Self {
        conv2d(self, w, Some(bias), conv)
    }

    fn relu(&self) -> Self {
        relu(self.clone())
    }

    fn linear(&self, w: &Self, bias: &Self) -> Self {
        linear(self, w, Some(bias))
    }
}
