//! What max and average pooling share.

use crate::geometry::Pool2d;
use crate::layers::prelude::*;

impl Pool2d {
    /// The shape of the output for a picture `[H, W, C]`.
    pub(super) fn output_shape(&self, [h, w, c]: [usize; 3]) -> Result<Vec<usize>, LayerError> {
        Ok(self.geometry(&[1, h, w, c])?.output_shape()[1..].to_vec())
    }

    pub(super) fn work(&self, input: &[usize], output: &[usize]) -> Work {
        let &[h, w, _] = input else { return Work::LITTLE };
        let [rows, columns] = [self.kernel[0].min(h), self.kernel[1].min(w)].map(|extent| extent as u64);
        let looked_at = rows.saturating_mul(columns).saturating_mul(output.iter().product::<usize>() as u64);
        Work { looked_at, ..Work::LITTLE }
    }

    pub(super) fn reach(&self) -> Reach<'static> {
        Reach::Window { kernel: self.kernel, stride: self.stride, dilation: [1, 1], padding: self.padding }
    }
}
