//! A row as a picture.

use crate::layers::inputs::one;
use crate::layers::limits::count;
use crate::layers::prelude::*;

/// `[N, H·W·C]` → `[N, H, W, C]`: channels as a picture, for convolutions over channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("unflatten to {}×{}×{}", self.shape[0], self.shape[1], self.shape[2])]
pub struct Unflatten {
    /// `[H, W, C]`.
    pub shape: [usize; 3],
}

impl Kind for Unflatten {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        match *one(inputs)? {
            [values] if count(&self.shape) == Some(values) => Ok(self.shape.to_vec()),
            ref found => Err(LayerError::shape("[N, C] of as many values as the picture", found)),
        }
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
}

impl Record for Unflatten {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, [h, w, c]) = (run.input(), self.shape);
        x.reshape([x.shape()[0], h, w, c])
    }
}
