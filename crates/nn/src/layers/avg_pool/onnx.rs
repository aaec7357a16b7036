//! Average pooling in ONNX files.

use super::AvgPool;
use crate::geometry::Padding;
use crate::layers::global_avg_pool::GlobalAvgPool;
use crate::layers::shape::Pad;
use crate::onnx::prelude::*;
use crate::onnx::windows::{pooled, windows};

impl Onnx for AvgPool {
    const READS: Reads = &[("AveragePool", average)];

    fn write(&self, w: &mut Writing<'_>) {
        let mut settings = windows(self.pool.kernel, self.pool.stride, &self.pool.padding);
        settings.push(integer("count_include_pad", self.count_padding.into()));
        w.one_node("AveragePool", &settings);
    }
}

fn average(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (mut x, mut pool, beyond) = pooled(r)?;
    let mut count_padding = r.node.integer("count_include_pad", 0)? != 0;
    if count_padding && beyond != Padding::default() {
        // What is beyond the padding doesn't count: the padding becomes a part of the image.
        let padding = Padding {
            bottom: pool.padding.bottom - beyond.bottom,
            right: pool.padding.right - beyond.right,
            ..pool.padding
        };
        if padding != Padding::default() {
            let source = r.add("pad", Pad { padding, channels: [0, 0], value: 0.0 }, &[x.source], [])?;
            x = r.image_of(&x, source);
        }
        (pool.padding, count_padding) = (beyond, false);
    }
    if x.layer_shape()[..2] == pool.kernel && pool.padding == Padding::default() {
        let source = r.layer(GlobalAvgPool, &[x.source])?;
        return Ok(r.row(source, x.rank()).into());
    }
    let source = r.layer(AvgPool { pool, count_padding }, &[x.source])?;
    Ok(r.image_of(&x, source).into())
}
