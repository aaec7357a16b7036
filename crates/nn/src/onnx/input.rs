//! The graph's input: one image, or a batch of them.

use std::collections::{HashMap, HashSet};

use super::activation::Activation;
use super::error::OnnxError;
use super::schema::{DimensionProto, NodeProto, TensorProto, ValueInfoProto};
use crate::layers::limits::{MAX_VALUES, count};
use crate::model::Source;

/// Operators that leave dimensions where they are, so that what they give has the order of dimensions that they were given.
const KEEPS_ORDER: &[&str] = &[
    "Abs",
    "Add",
    "Cast",
    "Clip",
    "Concat",
    "Div",
    "Dropout",
    "Exp",
    "Expand",
    "Gather",
    "Identity",
    "LeakyRelu",
    "Log",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Pow",
    "Relu",
    "Resize",
    "Sigmoid",
    "Slice",
    "Split",
    "Sqrt",
    "Sub",
    "Tanh",
    "Upsample",
];

/// The properties of the input that follow from the nodes.
#[derive(Debug, Default)]
struct Uses {
    /// Whether the channels are its last dimension.
    channels_last: bool,
    /// How many channels the first convolution reads.
    channels: Option<usize>,
}

/// The batch size, and one image of the input.
///
/// The image is `[N, H, W, C]` if it is transposed to `[N, C, H, W]` before any node tells the dimensions apart, otherwise it is
/// `[N, C, H, W]`. `[N, C]` is an image of one pixel, `[N, C, L]` (or `[N, L, C]`) one of one row. Height and width that the
/// file leaves open are those of `size`.
pub(super) fn image(
    input: &ValueInfoProto,
    nodes: &[NodeProto],
    tensors: &HashMap<String, TensorProto>,
    size: Option<[usize; 2]>,
) -> Result<(usize, Activation), OnnxError> {
    let tensor = input.r#type.as_ref().and_then(|of| of.tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let found = || dims.iter().map(text).collect();
    let misfit = || OnnxError::InputShape { name: input.name.clone(), found: found() };
    let extent = |dim: &DimensionProto| usize::try_from(dim.dim_value?).ok().filter(|&extent| extent > 0);
    let extents: Vec<Option<usize>> = dims.iter().map(extent).collect();
    let uses = uses(input, extents.len(), nodes, tensors);
    let ([h, w, c], axes) = match (&extents[..], uses.channels_last) {
        (&[_, h, w, c], true) => ([h, w, c], &[0, 1, 2][..]),
        (&[_, c, h, w], false) => ([h, w, c], &[2, 0, 1][..]),
        (&[_, length, c], true) => ([Some(1), length, c], &[1, 2][..]),
        (&[_, c, length], false) => ([Some(1), length, c], &[2, 1][..]),
        (&[_, c], _) => ([Some(1), Some(1), c], &[2][..]),
        _ => return Err(misfit()),
    };
    let c = c.or(uses.channels).ok_or_else(misfit)?;
    let (Some(h), Some(w)) = (h.or(size.map(|[h, _]| h)), w.or(size.map(|[_, w]| w))) else {
        return Err(OnnxError::OpenSize { name: input.name.clone(), found: found() });
    };
    let (batch, shape) = (extents[0].unwrap_or(1), [h, w, c]);
    match count(&shape) {
        Some(values @ 1..) if values.max(batch) <= MAX_VALUES => {
            Ok((batch, Activation::permuted(Source::Image, batch, shape, axes)))
        }
        _ => Err(misfit()),
    }
}

/// A dimension as the file has it: a number, a name, or neither.
fn text(dim: &DimensionProto) -> String {
    match (dim.dim_value, &dim.dim_param) {
        (Some(value), _) => value.to_string(),
        (None, Some(name)) => name.clone(),
        (None, None) => "?".into(),
    }
}

/// Follows an input of this many dimensions, through operators that leave them in their order, to the first that doesn't.
fn uses(input: &ValueInfoProto, rank: usize, nodes: &[NodeProto], tensors: &HashMap<String, TensorProto>) -> Uses {
    let mut uses = Uses::default();
    let mut values = HashSet::from([&input.name[..]]);
    for node in nodes.iter().filter(|node| node.op_type != "Shape") {
        if !node.input.iter().any(|name| values.contains(&name[..])) {
            continue;
        }
        let ints =
            |name: &str| node.attribute.iter().find(|attribute| attribute.name == name).map(|found| &found.ints[..]);
        match &node.op_type[..] {
            operator if KEEPS_ORDER.contains(&operator) => {}
            "Transpose" => match ints("perm") {
                Some([0, 3, 1, 2] | [0, 2, 1]) if rank == ints("perm").map_or(0, <[i64]>::len) => {
                    uses.channels_last = true;
                }
                _ => break,
            },
            // With one channel, transposing is reshaping.
            "Reshape" if rank == 4 && reshapes_to_channels_first(node, input, nodes, tensors) => {
                uses.channels_last = true;
            }
            "Conv" => {
                let group = node.attribute.iter().find(|attribute| attribute.name == "group").and_then(|found| found.i);
                let group = usize::try_from(group.unwrap_or(1)).ok();
                let weight = node.input.get(1).and_then(|name| constant(name, nodes, tensors));
                let each = weight.and_then(|weight| usize::try_from(*weight.dims.get(1)?).ok());
                uses.channels = group.zip(each).and_then(|(group, each)| group.checked_mul(each));
                break;
            }
            _ => break,
        }
        values.extend(node.output.iter().map(String::as_str));
    }
    uses
}

/// Whether an input `[N, H, W, 1]` is reshaped to `[N, 1, H, W]`.
fn reshapes_to_channels_first(
    node: &NodeProto,
    input: &ValueInfoProto,
    nodes: &[NodeProto],
    tensors: &HashMap<String, TensorProto>,
) -> bool {
    let shape = input.r#type.as_ref().and_then(|of| of.tensor_type.as_ref()?.shape.as_ref());
    let last = shape.and_then(|shape| shape.dim.last()?.dim_value);
    let first = shape.and_then(|shape| shape.dim.get(1)?.dim_value);
    let target = node.input.get(1).and_then(|name| constant(name, nodes, tensors));
    let is_channels_first = target.is_some_and(|target| {
        let (listed, raw) = (&target.int64_data[..], target.raw_data.as_chunks().0);
        let shape: Vec<i64> =
            if raw.is_empty() { listed.to_vec() } else { raw.iter().copied().map(i64::from_le_bytes).collect() };
        matches!(shape[..], [_, 1, _, _])
    });
    last == Some(1) && first != Some(1) && is_channels_first
}

/// A tensor of the file, or that of a node.
fn constant<'a>(
    name: &str,
    nodes: &'a [NodeProto],
    tensors: &'a HashMap<String, TensorProto>,
) -> Option<&'a TensorProto> {
    tensors.get(name).or_else(|| {
        let node =
            nodes.iter().find(|node| node.op_type == "Constant" && node.output.iter().any(|output| output == name))?;
        node.attribute.iter().find_map(|attribute| attribute.t.as_ref())
    })
}
