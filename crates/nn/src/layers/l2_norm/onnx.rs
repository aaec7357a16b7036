//! Division by the Euclidean length in ONNX files.

use super::L2Norm;
use crate::onnx::prelude::*;

impl Onnx for L2Norm {
    const READS: Reads = &[("LpNormalization", lp_normalization)];

    fn write(&self, w: &mut Writing<'_>) {
        // `LpNormalization` has no ε. These nodes are those of PyTorch's exporter, which are read back as one layer.
        let x = w.inputs()[0];
        let (axes, least) = (w.list("axes", &[1]), w.number("epsilon", self.epsilon));
        let length = w.part("length", "ReduceL2", &[x, &axes], &[]);
        let divisor = w.part("divisor", "Clip", &[&length, &least], &[]);
        w.node("Div", &[x, &divisor], &[]);
    }
}

/// LpNormalization of order 2 over the channels. A vector of zeros stays one.
fn lp_normalization(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    r.node.only("p", 2, "2")?;
    let axis = r.node.integer("axis", -1)?;
    let dimension = resolve(axis, x.rank());
    if !dimension.is_some_and(|dimension| x.is_channels(dimension)) {
        return Err(NodeError::unsupported("axis", axis, "the channels"));
    }
    r.in_place(L2Norm { epsilon: decimal(f32::MIN_POSITIVE) })
}
