//! Constants that are joined to, or multiplied by, values that depend on the image.

use super::Learned;
use crate::onnx::constant::size;
use crate::onnx::prelude::*;

impl Onnx for Learned {
    fn write(&self, w: &mut Writing<'_>) {
        // [N, 1, …] of any N, which the values are broadcast over.
        let batch = w.part("shape", "Shape", &w.inputs(), &[integer("end", 1)]);
        let ones = w.list("ones", &vec![1; self.shape.len()]);
        let shape = w.part("target", "Concat", &[&batch, &ones], &[integer("axis", 0)]);
        let values = w.with_parameters(|value| match value.shape()[..] {
            [_, _, _] => value.permute(&[2, 0, 1]),
            _ => value.clone(),
        });
        w.node("Expand", &[values[1], &shape], &[]);
    }
}

impl Reading<'_> {
    /// A constant as a value that depends on the image, beside one that does, with which it shares the dimension of the batch.
    pub(crate) fn learned(
        &mut self,
        part: &str,
        constant: &Constant,
        beside: &Activation,
    ) -> Result<Activation, NodeError> {
        let images = self.images();
        let mut value = constant.clone();
        // The batch is the first dimension, or there is none.
        let has_batch = constant.shape.len() == beside.rank()
            && matches!(constant.shape.first(), Some(&first) if first == images || first == 1);
        if has_batch {
            let each = size(&constant.shape[1..]).max(1);
            let floats = constant.to_floats();
            if floats.chunks_exact(each).any(|values| values != &floats[..each]) {
                return Err(NodeError::Batch);
            }
            value = constant.select(0, &[0]);
            value.shape.remove(0);
        } else if images > 1 {
            return Err(NodeError::Batch);
        }
        self.charge(value.values.len())?;
        let source = self.add(part, Learned { shape: value.shape.clone() }, &[beside.source], [Weight::of(&value)])?;
        let learned = self.in_our_order(source);
        if has_batch { Ok(learned) } else { learned.reshaped(&constant.shape) }
    }
}
