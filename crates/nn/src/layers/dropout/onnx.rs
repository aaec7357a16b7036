//! Dropout in ONNX files.

use super::Dropout;
use crate::onnx::prelude::*;

impl Onnx for Dropout {
    const READS: Reads = &[("Dropout", read)];

    fn write(&self, w: &mut Writing<'_>) {
        let ratio = w.number("ratio", self.probability);
        w.node("Dropout", &[w.inputs()[0], &ratio], &[]);
    }
}

/// Dropout, which does nothing until the model is trained.
fn read(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let given = r.optional_constant(1, "ratio")?.and_then(|ratio| ratio.scalar());
    let probability = given.or(r.node.float("ratio")?).map_or(0.5, decimal);
    r.in_place(Dropout { probability })
}
