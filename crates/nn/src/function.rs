//! Functions of each element.

use std::fmt::Debug;

use tensor::simd::Lanes;

/// A function f of one value, applied to each element.
pub trait Function: Copy + Debug + Send + Sync + 'static {
    /// f(x).
    fn f<L: Lanes>(self, x: L) -> L;
}

/// A function whose derivative is known.
pub trait Differentiable: Function {
    /// g·f′(x), from x or from y = f(x), as its kind of layer says.
    fn vjp<L: Lanes>(self, g: L, value: L) -> L;
}
