//! Inputs joined along their channels.

use crate::layers::inputs::several;
use crate::layers::prelude::*;

/// The inputs joined along their channels, `[N, …, C₁]`, `[N, …, C₂]`, … → `[N, …, C₁ + C₂ + …]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("concat")]
pub struct Concat;

impl Kind for Concat {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let (first, others) = several(inputs)?;
        let (channels, positions) = first.split_last().ok_or_else(|| LayerError::shape("[N, …, C]", first))?;
        let mut total = *channels;
        for other in others {
            match other.split_last() {
                Some((channels, rest)) if rest == positions => total = total.saturating_add(*channels),
                _ => return Err(LayerError::shape("of the first one's shape except for the channels", other)),
            }
        }
        Ok([positions, &[total]].concat())
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::SamePlace
    }
}

impl Record for Concat {
    fn record<T: Real>(&self, run: Run<'_, T>) -> Var<T> {
        let axis = run.inputs[0].shape().len() - 1;
        tensor::ops::concat(&run.inputs.iter().collect::<Vec<_>>(), axis)
    }
}
