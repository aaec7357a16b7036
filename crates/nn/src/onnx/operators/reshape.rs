//! Operators that move nothing: the same values under another of ONNX's shapes.

use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[
    ("DepthToSpace", depth_to_space),
    ("Flatten", flatten),
    ("Reshape", reshape),
    ("SpaceToDepth", space_to_depth),
    ("Squeeze", squeeze),
    ("Transpose", transpose),
    ("Unsqueeze", unsqueeze),
];

/// The image, its `[H, W, C]`, and the side of the blocks of pixels.
fn blocks(r: &mut Reading<'_>) -> Result<(Activation, [usize; 3], usize), NodeError> {
    let (x, shape) = r.image_input()?;
    let side = r.node.integer("blocksize", 0)?;
    let [rows, columns, channels] = shape;
    let divides = |side: usize| match &r.node.proto.op_type[..] {
        "DepthToSpace" => side.checked_mul(side).is_some_and(|area| channels.is_multiple_of(area)),
        _ => rows.is_multiple_of(side) && columns.is_multiple_of(side),
    };
    let blocks = usize::try_from(side).ok().filter(|&side| side > 0 && divides(side));
    let side =
        blocks.ok_or_else(|| NodeError::unsupported("blocksize", side, "a number of pixels that divides the input"))?;
    Ok((x, shape, side))
}

/// DepthToSpace: channels become blocks of pixels.
fn depth_to_space(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, [rows, columns, channels], side) = blocks(r)?;
    let (n, channels) = (x.shape()[0], channels / (side * side));
    let divided = match r.node.text("mode")?.as_deref() {
        None | Some("DCR") => x.reshaped(&[n, side, side, channels, rows, columns])?.transposed(&[0, 3, 4, 1, 5, 2]),
        Some("CRD") => x.reshaped(&[n, channels, side, side, rows, columns])?.transposed(&[0, 1, 4, 2, 5, 3]),
        Some(found) => return Err(NodeError::unsupported("mode", found, "DCR, CRD")),
    };
    Ok(r.arranged("", &divided.reshaped(&[n, channels, rows * side, columns * side])?)?.into())
}

/// SpaceToDepth: blocks of pixels become channels.
fn space_to_depth(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, [rows, columns, channels], side) = blocks(r)?;
    let (rows, columns) = (rows / side, columns / side);
    let n = x.shape()[0];
    let divided = x.reshaped(&[n, channels, rows, side, columns, side])?;
    let divided = match r.node.text("mode")?.as_deref() {
        None | Some("DCR") => divided.transposed(&[0, 3, 5, 1, 2, 4]),
        Some("CRD") => divided.transposed(&[0, 1, 3, 5, 2, 4]),
        Some(found) => return Err(NodeError::unsupported("mode", found, "DCR, CRD")),
    };
    Ok(r.arranged("", &divided.reshaped(&[n, side * side * channels, rows, columns])?)?.into())
}

/// Flatten: two dimensions, those before the axis and those from it on. The images of a batch stay apart.
fn flatten(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let shape = r.full_shape(&x);
    let axis = r.node.integer("axis", 1)?;
    let rank = shape.len();
    // The axis may stand behind the last dimension.
    let end = if axis == rank as i64 { Some(rank) } else { resolve(axis, rank) };
    let (before, after) = shape.split_at(end.ok_or_else(|| no_dimension("axis", axis))?);
    r.reshaped(x, &[before.iter().product(), after.iter().product()])
}

/// Reshape to a constant shape, in which 0 keeps an extent and −1 is computed from the others.
fn reshape(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let target = r.integers(1, "shape")?.ok_or(NodeError::MissingInput("shape"))?;
    let zero_is_zero = r.node.integer("allowzero", 0)? != 0;
    let from = r.full_shape(&x);
    let misfit = || {
        let found = format_args!("{target:?} for {from:?}");
        NodeError::unsupported("shape", found, "a shape with the same number of elements")
    };
    let known = |(index, &extent): (usize, &i64)| match extent {
        -1 => Some(1),
        0 if !zero_is_zero => from.get(index).copied(),
        extent => usize::try_from(extent).ok(),
    };
    let mut shape: Vec<usize> = target.iter().enumerate().map(known).collect::<Option<_>>().ok_or_else(misfit)?;
    let mut unknown = (0..target.len()).filter(|&index| target[index] == -1);
    let product = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent)).ok_or_else(misfit)?;
    let elements: usize = from.iter().product();
    if let Some(index) = unknown.next() {
        shape[index] = elements.checked_div(product).ok_or_else(misfit)?;
    }
    if unknown.next().is_some() || shape.iter().product::<usize>() != elements {
        return Err(misfit());
    }
    r.reshaped(x, &shape)
}

fn transpose(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let rank = r.full_shape(&x).len();
    let permutation = match r.node.integers("perm")? {
        None => (0..rank).rev().collect(),
        Some(given) => {
            let permutation: Vec<usize> = given.iter().filter_map(|&axis| resolve(axis, rank)).collect();
            let mut sorted = permutation.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(0..rank) {
                return Err(NodeError::unsupported("perm", given, "a permutation of the dimensions"));
            }
            permutation
        }
    };
    r.permuted(x, &permutation)
}

/// Squeeze: without these dimensions, or without all of extent 1.
fn squeeze(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let shape = r.full_shape(&x);
    let is_gone = |axis: &i64| {
        let dimension = resolve(*axis, shape.len()).filter(|&dimension| shape[dimension] == 1);
        dimension.ok_or_else(|| no_dimension("axes", *axis))
    };
    let gone: Vec<usize> = match r.integers(1, "axes")? {
        None => (0..shape.len()).filter(|&dimension| shape[dimension] == 1).collect(),
        Some(axes) => axes.iter().map(is_gone).collect::<Result<_, _>>()?,
    };
    let kept = (0..shape.len()).filter(|dimension| !gone.contains(dimension));
    let kept: Vec<usize> = kept.map(|dimension| shape[dimension]).collect();
    r.reshaped(x, &kept)
}

/// Unsqueeze: with dimensions of extent 1 at these axes of the result.
fn unsqueeze(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let old = r.full_shape(&x);
    let axes = r.integers(1, "axes")?.ok_or(NodeError::MissingInput("axes"))?;
    let rank = old.len() + axes.len();
    let mut is_new = vec![false; rank];
    for &axis in &axes {
        let dimension = resolve(axis, rank).filter(|&dimension| !is_new[dimension]);
        is_new[dimension.ok_or_else(|| no_dimension("axes", axis))?] = true;
    }
    let mut old = old.into_iter();
    let shape: Vec<usize> = is_new.iter().map(|&new| if new { 1 } else { old.next().unwrap_or(1) }).collect();
    r.reshaped(x, &shape)
}

fn no_dimension(name: &'static str, axis: i64) -> NodeError {
    NodeError::unsupported(name, axis, "a dimension of the input, one of extent 1 to squeeze")
}
