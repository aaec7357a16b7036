//! What a kind of layer says of itself in ONNX files.

use super::context::Operator;
use super::writing::Writing;

/// Operators by name.
pub(crate) type Reads = &'static [(&'static str, Operator)];

/// A kind of layer that ONNX files can hold.
pub(crate) trait Onnx {
    /// The operators that become such a layer.
    const READS: Reads = &[];

    /// Writes the layer as nodes; by default as one, of the first operator that is read and without attributes.
    fn write(&self, w: &mut Writing<'_>) {
        w.one_node(Self::READS[0].0, &[]);
    }
}
