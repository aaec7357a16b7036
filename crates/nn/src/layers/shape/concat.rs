//! Inputs joined along an axis.

use std::fmt;

use tensor::{Value, ops};

use crate::layers::affine::written;
use crate::layers::inputs::several;
use crate::layers::prelude::*;

/// The inputs joined along their channels, `[N, …, C₁]`, `[N, …, C₂]`, … → `[N, …, C₁ + C₂ + …]`, or along another axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The axis, N not counted; the last one, the channels, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
}

impl Concat {
    /// Along an axis, N not counted.
    #[must_use]
    pub fn along(axis: usize) -> Self {
        Self { axis: Some(axis) }
    }

    /// The axis for inputs of this rank, N not counted.
    fn axis(self, rank: usize) -> Option<usize> {
        self.axis.or_else(|| rank.checked_sub(1)).filter(|&axis| axis < rank)
    }
}

impl fmt::Display for Concat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.axis {
            None => f.write_str("concat"),
            Some(axis) => write!(f, "concat along axis {axis}"),
        }
    }
}

impl Kind for Concat {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let (first, others) = several(inputs)?;
        let axis = self.axis(first.len()).ok_or_else(|| LayerError::shape("[N, …] with the axis joined", first))?;
        let mut output = first.to_vec();
        for other in others {
            let is_alike = |(at, (a, b)): (usize, (&usize, &usize))| at == axis || a == b;
            if other.len() != first.len() || !first.iter().zip(*other).enumerate().all(is_alike) {
                return Err(LayerError::shape("of the first one's shape except for the axis joined", other));
            }
            output[axis] = output[axis].saturating_add(other[axis]);
        }
        Ok(output)
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        if self.axis.is_some() { Reach::Lost } else { Reach::SamePlace }
    }

    fn moves(&self) -> bool {
        true
    }

    fn fuses(&self) -> Fuses {
        if self.axis.is_some() { Fuses::Never } else { Fuses::Begins }
    }
}

impl Record for Concat {
    fn record<T: Real>(&self, run: Run<'_, T>) -> Var<T> {
        if let Some(axis) = self.axis {
            return tensor::ops::concat(&run.inputs.iter().collect::<Vec<_>>(), axis + 1);
        }
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
