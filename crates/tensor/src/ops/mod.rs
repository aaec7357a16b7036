//! The operations of arithmetic, one file each: the forward pass and the vector–Jacobian product side by side.
//!
//! They are methods of [`Var`](crate::Var). The types stand for the recorded operations, so that a
//! [`Rule`](crate::Rule) can recognise them.

mod add;
mod broadcast;
mod concat;
mod div;
mod matmul;
mod mul;
mod pad;
mod pick;
mod pointwise;
mod reshape;
mod select;
mod slice;
mod sub;
mod sum;
mod transpose;

pub use add::Add;
pub use concat::{Concat, concat};
pub use div::Div;
pub use matmul::MatMul;
pub use mul::Mul;
pub use pad::Pad;
pub use pick::Pick;
pub use pointwise::{Abs, AddScalar, Exp, Ln, MulScalar, Neg, Powi, Sqrt, Tanh};
pub use reshape::Reshape;
pub use select::Select;
pub use slice::Slice;
pub use sub::Sub;
pub use sum::{Mean, Sum};
pub use transpose::Permute;
