//! Parts of constants and of images, and shapes, from which exporters compute sizes.

use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[
    ("Expand", expand),
    ("Gather", gather),
    ("GatherND", gather_nd),
    ("Shape", shape),
    ("Size", number_of_elements),
    ("Slice", slice),
    ("Split", split),
    ("Tile", tile),
];

/// The shape, or a range of it.
fn shape(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let shape: Vec<i64> = r.full_shape(&x).iter().map(|&extent| extent as i64).collect();
    let rank = shape.len();
    let (start, end) = (r.node.integer("start", 0)?, r.node.integer("end", rank as i64)?);
    let [start, end] = [start, end].map(|bound| from_start(bound, rank).clamp(0, rank as i64) as usize);
    Ok(Constant::integers(shape.get(start..end).unwrap_or_default().to_vec()).into())
}

/// The number of elements.
fn number_of_elements(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let elements = r.full_shape(&x).iter().product::<usize>() as i64;
    Ok(Constant { shape: Vec::new(), values: Values::Integers(vec![elements]) }.into())
}

/// The elements at these indices of a dimension; with a single index, without the dimension.
fn gather(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let data = r.input(0, "data")?;
    let (dims, dimension) = dimension(r, &data)?;
    let indices = r.constant(1, "indices")?;
    let given = indices.as_integers().unwrap_or_default();
    let resolved: Option<Vec<usize>> = given.iter().map(|&index| resolve(index, dims[dimension])).collect();
    let resolved = resolved.filter(|resolved| resolved.len() == indices.values.len());
    let resolved = resolved.ok_or_else(|| NodeError::unsupported("indices", given, "integers within the dimension"))?;
    let shape = [&dims[..dimension], &indices.shape, &dims[dimension + 1..]].concat();
    let selected = r.select(data, dimension, resolved.into_iter())?;
    r.reshaped(selected, &shape)
}

/// GatherND: the elements, or slices, at these places of the first dimensions, one for each row of indices.
fn gather_nd(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let data = r.input(0, "data")?;
    r.node.only("batch_dims", 0, "0")?;
    let (dims, indices) = (r.full_shape(&data), r.constant(1, "indices")?);
    let misfit = || NodeError::shape(format!("indices [.., {}] or fewer, within the data", dims.len()), &indices.shape);
    let (&depth, leading) = indices.shape.split_last().filter(|(depth, _)| **depth > 0).ok_or_else(misfit)?;
    let (outer, inner) = dims.split_at_checked(depth).ok_or_else(misfit)?;
    let given = indices.as_integers().ok_or_else(misfit)?;
    let place = |index: &[i64]| {
        index.iter().zip(outer).try_fold(0, |place, (&index, &extent)| Some(place * extent + resolve(index, extent)?))
    };
    let places: Option<Vec<usize>> = given.chunks_exact(depth).map(place).collect();
    let places = places.ok_or_else(misfit)?;
    let joined = r.reshaped(data, &[&[outer.iter().product()], inner].concat())?;
    let selected = r.select(joined, 0, places.into_iter())?;
    r.reshaped(selected, &[leading, inner].concat())
}

/// Ranges of dimensions; attributes in the oldest versions.
fn slice(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let mut result = r.input(0, "data")?;
    let starts = r.integers(1, "starts")?.ok_or(NodeError::MissingInput("starts"))?;
    let ends = r.integers(2, "ends")?.ok_or(NodeError::MissingInput("ends"))?;
    let axes = r.integers(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = r.integers(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(NodeError::unsupported("ends", &ends, "as many as there are starts, axes and steps"));
    }
    if steps.contains(&0) {
        return Err(NodeError::unsupported("steps", &steps, "steps of one or more, either way"));
    }
    for (i, &step) in steps.iter().enumerate() {
        let dims = r.full_shape(&result);
        let dimension = resolve(axes[i], dims.len());
        let dimension = dimension.ok_or_else(|| NodeError::unsupported("axes", &axes, "dimensions of the data"))?;
        // The end is excluded; backwards, it may be −1, before the first index.
        let extent = dims[dimension] as i64;
        let (least, most) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
        let [start, end] = [starts[i], ends[i]].map(|bound| from_start(bound, dims[dimension]).clamp(least, most));
        let distance = if step > 0 { end - start } else { start - end };
        let count = (distance.max(0) as u64).div_ceil(step.unsigned_abs()) as usize;
        result = r.select(result, dimension, (0..count).map(|i| (start + i as i64 * step) as usize))?;
    }
    Ok(result)
}

/// An index that counts from the start of a dimension; it may be out of range.
fn from_start(index: i64, extent: usize) -> i64 {
    if index < 0 { index.saturating_add(extent as i64) } else { index }
}

/// Consecutive parts of a dimension, each an output of its own.
fn split(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let data = r.input(0, "input")?;
    let (dims, dimension) = dimension(r, &data)?;
    let extent = dims[dimension];
    let outputs = &r.node.proto.output;
    let sizes = r.integers(1, "split")?.unwrap_or_else(|| {
        // Equal ones; the last is smaller if they don't divide the dimension.
        let each = extent.div_ceil(outputs.len().max(1));
        (0..outputs.len()).map(|part| extent.saturating_sub(part * each).min(each) as i64).collect()
    });
    let ends = sizes.iter().scan(0_usize, |end, &size| {
        *end = end.checked_add(usize::try_from(size).ok()?).filter(|&end| end <= extent)?;
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    if ends.len() != outputs.len() || ends.last() != Some(&extent) {
        let supported = "a size for each output, which add up to the dimension";
        return Err(NodeError::unsupported("split", &sizes, supported));
    }
    let first = r.select(data.clone(), dimension, 0..ends[0])?;
    for (range, name) in ends.windows(2).zip(&outputs[1..]) {
        let part = r.select(data.clone(), dimension, range[0]..range[1])?;
        r.define(name, part)?;
    }
    Ok(first)
}

/// The dimensions of the data, and the one that is the node's `axis`.
fn dimension(r: &Reading<'_>, data: &Value) -> Result<(Vec<usize>, usize), NodeError> {
    let dims = r.full_shape(data);
    let axis = r.node.integer("axis", 0)?;
    let dimension = resolve(axis, dims.len());
    Ok((dims, dimension.ok_or_else(|| NodeError::unsupported("axis", axis, "a dimension of the data"))?))
}

/// Repeats dimensions of extent 1, so that the input and the given shape broadcast to the result's.
fn expand(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let target = r.integers(1, "shape")?.ok_or(NodeError::MissingInput("shape"))?;
    let shape: Option<Vec<usize>> = target.iter().map(|&extent| usize::try_from(extent).ok()).collect();
    r.expanded(x, &shape.ok_or_else(|| NodeError::unsupported("shape", &target, "extents from 0"))?)
}

/// Repeats the whole of each dimension.
fn tile(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let mut result = r.input(0, "input")?;
    let repeats = r.integers(1, "repeats")?.ok_or(NodeError::MissingInput("repeats"))?;
    let dims = r.full_shape(&result);
    let supported = || NodeError::unsupported("repeats", &repeats, "one number from 0 for each dimension");
    if repeats.len() != dims.len() {
        return Err(supported());
    }
    for (dimension, (&extent, &count)) in dims.iter().zip(&repeats).enumerate().filter(|(_, (_, count))| **count != 1) {
        let count = usize::try_from(count).map_err(|_| supported())?;
        let tiled = extent.checked_mul(count).ok_or(NodeError::TooManyConstants)?;
        result = r.select(result, dimension, (0..tiled).map(|index| index % extent))?;
    }
    Ok(result)
}
