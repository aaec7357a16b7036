//! Max pooling in ONNX files.

use super::MaxPool;
use crate::geometry::{Padding, Pool2d};
use crate::onnx::prelude::*;
use crate::onnx::windows::{pooled, windows};

impl Onnx for MaxPool {
    const READS: Reads = &[("GlobalMaxPool", global_max), ("MaxPool", max)];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("MaxPool", &windows(self.0.kernel, self.0.stride, &self.0.padding));
    }
}

/// MaxPool; its second output, the indices of the maxima, is not computed.
fn max(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, pool, _) = pooled(r)?;
    let source = r.layer(MaxPool(pool), &[x.source])?;
    Ok(r.image_of(&x, source).into())
}

/// GlobalMaxPool: one window, as large as the image.
fn global_max(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, [height, width, _]) = r.picture_input()?;
    let pool = Pool2d { kernel: [height, width], stride: [1, 1], padding: Padding::default() };
    let source = r.layer(MaxPool(pool), &[x.source])?;
    Ok(r.image_of(&x, source).into())
}
