//! Inputs joined along their channels.

use tensor::{Value, ops};

use crate::layers::affine::written;
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

    fn fuses(&self) -> Fuses {
        Fuses::Begins
    }
}

impl Record for Concat {
    fn record<T: Real>(&self, run: Run<'_, T>) -> Var<T> {
        let shape = *run.inputs[0].shape();
        let axis = shape.len() - 1;
        let shape = shape.with(axis, run.inputs.iter().map(|input| input.shape()[axis]).sum());
        let values: Vec<_> = run.inputs.iter().map(Var::to_value).collect();
        let inputs: Vec<&Var<T>> = run.inputs.iter().collect();
        run.share.record(ops::Concat { axis }, &inputs, shape, move |finish| {
            let parts: Vec<(&[T], usize)> =
                values.iter().map(Value::get).map(|part| (part.as_slice(), part.shape()[axis])).collect();
            written(shape, |y| {
                T::write_finished(finish, shape[axis], y, |first, y| {
                    let mut at = 0;
                    for &(part, channels) in &parts {
                        let pixels = y.chunks_exact_mut(shape[axis].max(1));
                        let part = part[first * channels..].chunks_exact(channels.max(1));
                        pixels.zip(part).for_each(|(y, part)| y[at..][..channels].copy_from_slice(part));
                        at += channels;
                    }
                });
            })
        })
    }
}
