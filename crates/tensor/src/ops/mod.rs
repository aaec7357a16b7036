//! The operations of arithmetic. Each has a file with its forward pass and its vector–Jacobian product.
//!
//! They are operators and methods of [`Var`](crate::Var). A node on the tape holds a value of the operation's type, by which a
//! [`Rule`](crate::Rule) recognises it.

mod add;
mod concat;
mod div;
mod matmul;
mod mul;
mod operators;
mod pad;
mod pick;
mod pointwise;
mod reshape;
mod select;
mod slice;
mod sub;
mod sum;
mod transpose;

pub use add::{Add, add};
pub use concat::{Concat, concat};
pub use div::{Div, div};
pub use matmul::MatMul;
pub use mul::{Mul, mul};
pub use pad::Pad;
pub use pick::Pick;
pub use pointwise::{Abs, AddScalar, Exp, Ln, MulScalar, Neg, Powi, Sqrt, Tanh};
pub use reshape::Reshape;
pub use select::Select;
pub use slice::Slice;
pub use sub::{Sub, sub};
pub use sum::{Mean, Sum};
pub use transpose::Permute;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use ndarray::{ArrayViewD, Axis, Slice, concatenate, s};

    use super::concat;
    use crate::{Exact, Tape, Tensor, Var};

    /// Arrays of several blocks, on several threads.
    #[test]
    fn elements_of_large_arrays_go_where_ndarray_puts_them() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from_fn([6, 90, 101, 3], |i| (i as f32 * 0.37).sin()));
        let y = tape.leaf(x.value().clone().map(|x| x * x));
        let dz = |z: &Var<f32>| Tensor::from_fn(z.shape(), |i| (i as f32 * 0.73).cos());
        let gradient = |z: &Var<f32>| tape.backward_from(z, dz(z), &Exact, [&x]).unwrap()[&x].clone();
        let is = |a: &Tensor<f32>, b: ArrayViewD<'_, f32>| assert!(a.view() == b);
        let view = x.value().view();

        let z = x.permute(&[2, 0, 3, 1]);
        is(z.value(), view.clone().permuted_axes([2, 0, 3, 1].as_slice()));
        is(&gradient(&z), dz(&z).view().permuted_axes([1, 3, 0, 2].as_slice()));
        for axis in 0..4 {
            let joined = concatenate(Axis(axis), &[view.clone(), y.value().view(), view.clone()]).unwrap();
            is(concat(&[&x, &y, &x], axis).value(), joined.view());
            let z = x.slice(axis, 1..3);
            is(z.value(), view.slice_axis(Axis(axis), Slice::from(1..3)));
            let mut expected = Tensor::zeros(x.shape());
            expected.view_mut().slice_axis_mut(Axis(axis), Slice::from(1..3)).assign(&dz(&z).view());
            assert!(gradient(&z) == expected);
            is(x.select(axis, &[2, 0, 2]).value(), view.select(Axis(axis), &[2, 0, 2]).view());
        }
        let z = x.pad(&[(0, 1), (2, 0), (1, 3), (0, 0)], 7.0);
        let mut expected = Tensor::full(z.shape(), 7.0);
        expected.view_mut().slice_mut(s![0..6, 2.., 1..102, ..]).assign(&view);
        assert!(*z.value() == expected);
        is(&gradient(&z), dz(&z).view().slice(s![0..6, 2.., 1..102, ..]).into_dyn());
    }

    /// A misuse panics with a message that has the shapes.
    #[test]
    fn what_does_not_fit_panics_with_its_shapes() {
        let tape = Tape::new();
        let [a, b] = [[2, 3], [3, 2]].map(|shape| tape.leaf(Tensor::<f64>::zeros(shape)));
        type Mistake = fn(&Var<f64>, &Var<f64>) -> Var<f64>;
        let mistakes: [(&str, Mistake); 14] = [
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a + b),
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a - b),
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a * b),
            ("[2, 3] and [3, 2] don't broadcast", |a, b| a / b),
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
