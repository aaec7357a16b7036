//! Arithmetic of several inputs.

use tensor::{broadcast, ops};

use crate::layers::inputs::{several, two};
use crate::layers::prelude::*;

/// Makes a kind of layer that combines its inputs, in the number that `$inputs` checks, from the first to the last, by an
/// operation of the tape.
macro_rules! combination {
    ($(#[$doc:meta])* $Kind:ident, $inputs:ident, $fuses:expr, |$a:ident, $b:ident| $value:expr) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
        $(#[$doc])*
        pub struct $Kind;

        impl Kind for $Kind {
            fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
                let (first, others) = $inputs(inputs)?;
                common_shape(first, others)
            }

            fn work(&self, _: &[usize], _: &[usize]) -> Work {
                Work::LITTLE
            }

            fn reach(&self) -> Reach<'_> {
                Reach::SamePlace
            }

            fn fuses(&self) -> Fuses {
                $fuses
            }
        }

        impl Record for $Kind {
            fn record<T: Real>(&self, run: Run<'_, T>) -> Var<T> {
                if let Share::Apart = run.share {
                    return combined(run.inputs, |$a, $b| $value);
                }
                let [a, b] = &run.inputs[..] else { unreachable!("in a chain it has two inputs of one shape") };
                let [x, y] = [a, b].map(Var::to_value);
                let value = move |_: &Finish<'_, T>| x.get().clone().zip(y.get(), |$a, $b| $value);
                run.share.record(ops::$Kind, &[a, b], *a.shape(), value)
            }
        }
    };
}

combination! {
    /// Sum of the inputs, aligned at the channels; extents of 1 repeat: `[C]` is added to every position of `[H, W, C]`.
    #[display("add")]
    Add, several, Fuses::Sum, |a, b| a + b
}

combination! {
    /// The first input minus the second, aligned as for a [sum](Add).
    #[display("subtract")]
    Sub, two, Fuses::Never, |a, b| a - b
}

combination! {
    /// Product of the inputs, aligned as for a [sum](Add): `[H, W, C]` times `[C]` is squeeze-and-excitation.
    #[display("multiply")]
    Mul, several, Fuses::Product, |a, b| a * b
}

combination! {
    /// The first input divided by the second, aligned as for a [sum](Add).
    #[display("divide")]
    Div, two, Fuses::Never, |a, b| a / b
}

/// The shape that the inputs broadcast to, aligned at the channels: extents of 1 repeat, so that `[C]` meets every position of
/// `[H, W, C]`.
fn common_shape(first: &[usize], others: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
    others.iter().try_fold(first.to_vec(), |shape, other| {
        let misfit = || LayerError::shape("of the first one's shape, or with extents of 1 in it", other);
        broadcast(&shape, other).ok_or_else(misfit)
    })
}

/// The inputs combined from the first to the last, aligned at the channels: `[N, C]` becomes `[N, 1, 1, C]` beside
/// `[N, H, W, C]`.
fn combined<T: Real>(inputs: Vec<Var<T>>, combine: impl Fn(Var<T>, Var<T>) -> Var<T>) -> Var<T> {
    let rank = inputs.iter().map(|x| x.shape().len()).max().expect("at least one input");
    let aligned = |x: Var<T>| {
        let (images, rest) = x.shape().split_first().expect("[N, …]");
        match rank - x.shape().len() {
            0 => x,
            missing => x.reshape(&[&[*images], &vec![1; missing][..], rest].concat()[..]),
        }
    };
    inputs.into_iter().map(aligned).reduce(combine).expect("at least one input")
}
