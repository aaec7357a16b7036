//! Global average pooling in ONNX files.

use super::GlobalAvgPool;
use crate::onnx::prelude::*;

impl Onnx for GlobalAvgPool {
    const READS: Reads = &[("GlobalAveragePool", global_average)];

    fn write(&self, w: &mut Writing<'_>) {
        let mean = w.inner_node("mean", "GlobalAveragePool", &w.inputs(), &[]);
        w.outer_node("row", "Flatten", &mean, &[]);
    }
}

/// One value for each channel, which ONNX sees as `[N, C, 1, 1]` or `[N, C, 1]`.
fn global_average(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, _) = r.picture_input()?;
    let source = r.layer(GlobalAvgPool, &[x.source])?;
    Ok(r.row(source, x.rank()).into())
}
