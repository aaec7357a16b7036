//! Some indices along an axis.

use crate::layers::inputs::one;
use crate::layers::prelude::*;

/// Some of the rows, columns or channels, in any order: parts of a picture, mirrored edges, shuffled channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("select {} along axis {}", self.indices.len(), self.axis)]
pub struct Select {
    /// An axis of `[H, W, C]`, or 0 of `[C]`.
    pub axis: usize,
    /// The indices taken, each once, several times or never.
    #[serde(rename = "places")]
    pub indices: Vec<usize>,
}

impl Kind for Select {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let input = one(inputs)?;
        match input.get(self.axis) {
            Some(&extent) if !self.indices.is_empty() && self.indices.iter().all(|&index| index < extent) => {
                let mut output = input.to_vec();
                output[self.axis] = self.indices.len();
                Ok(output)
            }
            _ => Err(LayerError::shape("with the axis and all indices selected, at least one", input)),
        }
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        match self.axis {
            0 | 1 => Reach::Selected { axis: self.axis, indices: &self.indices },
            _ => Reach::SamePlace,
        }
    }

    fn moves(&self) -> bool {
        true
    }
}

impl Record for Select {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        run.input().select(self.axis + 1, &self.indices)
    }
}
