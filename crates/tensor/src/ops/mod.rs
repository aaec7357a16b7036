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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::concat;
    use crate::{Tape, Tensor, Var};

    /// A programmer's mistake panics, and the message has the shapes that don't fit.
    #[test]
    fn what_does_not_fit_panics_with_its_shapes() {
        let tape = Tape::new();
        let [a, b] = [[2, 3], [3, 2]].map(|shape| tape.leaf(Tensor::<f64>::zeros(shape)));
        type Mistake = fn(&Var<f64>, &Var<f64>) -> Var<f64>;
        let mistakes: [(&str, Mistake); 14] = [
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a.add(b)),
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a.sub(b)),
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a.mul(b)),
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a.div(b)),
            ("[2, 3] · [2, 3] is no matrix product", |a, _| a.matmul(a)),
            ("[[2, 3], [3, 2]] can't be joined along dimension 0", |a, b| concat(&[a, b], 0)),
            ("[2, 3] can't be read as [7]", |a, _| a.reshape([7])),
            ("1..4 of dimension 1 of [2, 3]", |a, _| a.slice(1, 1..4)),
            ("[0, 3] in dimension 1 of [2, 3]", |a, _| a.select(1, &[0, 3])),
            ("one pair of widths for each dimension of [2, 3]", |a, _| a.pad(&[(1, 1)], 0.0)),
            ("columns [0, 3] of [2, 3]", |a, _| a.pick_each(&[0, 3])),
            ("columns [0] of [2, 3]", |a, _| a.pick_each(&[0])),
            ("dimensions [2] of [2, 3]", |a, _| a.sum_axes(&[2])),
            ("dimensions [1, 1] of [2, 3]", |a, _| a.mean_axes(&[1, 1])),
        ];
        for (expected, mistake) in mistakes {
            let panic = catch_unwind(AssertUnwindSafe(|| mistake(&a, &b))).unwrap_err();
            let message = panic.downcast_ref::<String>().map(String::as_str);
            assert!(message.is_some_and(|message| message.contains(expected)), "{expected}: {message:?}");
        }
    }
}
