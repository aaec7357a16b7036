//! Each image as a row.

use crate::layers::inputs::one;
use crate::layers::limits::count;
use crate::layers::prelude::*;

/// `[N, H, W, C]` → `[N, H·W·C]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("flatten")]
pub struct Flatten;

impl Kind for Flatten {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let input = one(inputs)?;
        Ok(vec![count(input).ok_or_else(|| LayerError::TooLarge(input.to_vec()))?])
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Lost
    }

    fn moves(&self) -> bool {
        true
    }

    fn effect(&self, input: &[usize]) -> Effect {
        match *input {
            [_] | [1, 1, _] => Effect::PassesOn,
            _ => Effect::Computes,
        }
    }
}

impl Record for Flatten {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let (images, values) = x.shape().split_first().expect("[N, …]");
        x.reshape([*images, values.iter().product()])
    }
}
