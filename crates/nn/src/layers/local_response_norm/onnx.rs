//! Local response normalization in ONNX files.

use super::LocalResponseNorm;
use crate::onnx::prelude::*;

impl Onnx for LocalResponseNorm {
    const READS: Reads = &[("LRN", lrn)];

    fn write(&self, w: &mut Writing<'_>) {
        let [alpha, beta, k] = [float("alpha", self.alpha), float("beta", self.beta), float("bias", self.k)];
        w.one_node("LRN", &[alpha, beta, k, integer("size", self.size as i64)]);
    }
}

fn lrn(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    r.picture_input()?;
    let size = r.node.integer("size", 0)?;
    let size = usize::try_from(size).map_err(|_| NodeError::unsupported("size", size, "a channel or more"))?;
    let node = &r.node;
    let (alpha, beta, k) = (node.decimal("alpha", 1e-4)?, node.decimal("beta", 0.75)?, node.decimal("bias", 1.0)?);
    r.in_place(LocalResponseNorm { size, alpha, beta, k })
}
