//! Parts of constants and of pictures, and shapes: what exporters write where a size is computed.

use std::fmt::Debug;

use super::shape::{full_shape, under};
use crate::layer::Layer;
use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index};

/// Shape, or a range of it.
pub(super) fn shape<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let shape: Vec<i64> = full_shape(&x, graph.batch).iter().map(|&extent| extent as i64).collect();
    let rank = shape.len() as i64;
    let place = |place: i64| (if place < 0 { place.saturating_add(rank) } else { place }).clamp(0, rank) as usize;
    let (start, end) = (place(node.integer("start", 0)?), place(node.integer("end", rank)?));
    Ok(Constant::integers(shape.get(start..end).unwrap_or_default().to_vec()).into())
}

/// Gather: the elements at these places of a dimension; at a single one, without the dimension.
pub(super) fn gather<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let data = graph.input(node, 0, "data")?;
    let dims = full_shape(&data, graph.batch);
    let axis = node.integer("axis", 0)?;
    let axis = index(axis, dims.len()).ok_or_else(|| unfit("axis", axis, "a dimension of the data"))?;
    let indices = graph.constant(node, 1, "indices")?;
    let given = indices.as_integers().unwrap_or_default();
    let places: Option<Vec<usize>> = given.iter().map(|&place| index(place, dims[axis])).collect();
    let places = places.filter(|places| places.len() == indices.values.len());
    let places = places.ok_or_else(|| unfit("indices", given, "integers within the dimension"))?;
    let shape = [&dims[..axis], &indices.shape, &dims[axis + 1..]].concat();
    let taken = graph.select(node, data, axis, places.into_iter())?;
    under(node, graph, taken, &shape)
}

/// Slice: ranges of dimensions; its settings are attributes in the oldest versions.
pub(super) fn slice<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let mut result = graph.input(node, 0, "data")?;
    let starts = graph.integers(node, 1, "starts")?.ok_or(NodeError::MissingInput("starts"))?;
    let ends = graph.integers(node, 2, "ends")?.ok_or(NodeError::MissingInput("ends"))?;
    let axes = graph.integers(node, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = graph.integers(node, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(unfit("ends", &ends, "as many as there are starts, axes and steps"));
    }
    for place in 0..starts.len() {
        let dims = full_shape(&result, graph.batch);
        let axis = index(axes[place], dims.len());
        let axis = axis.ok_or_else(|| unfit("axes", &axes, "dimensions of the data"))?;
        let extent = dims[axis];
        let step = usize::try_from(steps[place].unsigned_abs()).ok().filter(|&step| step > 0);
        let step = step.ok_or_else(|| unfit("steps", &steps, "steps of one or more, either way"))?;
        if steps[place] < 0 {
            // Backwards, the first place is the start, and the end isn't taken; −1 lies before the first.
            let bound = |value: i64| {
                let value = if value < 0 { value.saturating_add(extent as i64) } else { value };
                value.clamp(-1, extent as i64 - 1)
            };
            let count = (bound(starts[place]) - bound(ends[place])).max(0) as usize;
            let first = bound(starts[place]) as usize;
            result = graph.select(node, result, axis, (0..count.div_ceil(step)).map(|i| first - i * step))?;
            continue;
        }
        let bound = |value: i64| {
            let value = if value < 0 { value.saturating_add(extent as i64) } else { value };
            value.clamp(0, extent as i64) as usize
        };
        let places = (bound(starts[place])..bound(ends[place])).step_by(step);
        result = graph.select(node, result, axis, places)?;
    }
    Ok(result)
}

/// Split: parts of a dimension, one after the other, each an output of its own.
pub(super) fn split<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let data = graph.input(node, 0, "input")?;
    let dims = full_shape(&data, graph.batch);
    let axis = node.integer("axis", 0)?;
    let axis = index(axis, dims.len()).ok_or_else(|| unfit("axis", axis, "a dimension of the data"))?;
    let outputs = &node.proto.output;
    let sizes = match graph.integers(node, 1, "split")? {
        Some(sizes) => sizes,
        // Equal ones, the last smaller where that doesn't come out even.
        None => {
            let (whole, each) = (dims[axis], dims[axis].div_ceil(outputs.len().max(1)));
            (0..outputs.len()).map(|part| whole.saturating_sub(part * each).min(each) as i64).collect()
        }
    };
    let ends = sizes.iter().scan(0_usize, |end, &size| {
        *end = end.checked_add(usize::try_from(size).ok()?).filter(|&end| end <= dims[axis])?;
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    if ends.len() != outputs.len() || ends.last() != Some(&dims[axis]) {
        return Err(unfit("split", &sizes, "a size for each output, of the whole dimension together"));
    }
    let mut parts = Vec::new();
    for (start, end) in std::iter::once(0).chain(ends.iter().copied()).zip(&ends) {
        parts.push(graph.select(node, data.clone(), axis, start..*end)?);
    }
    let mut parts = parts.into_iter();
    let first = parts.next().ok_or(NodeError::MissingInput("output"))?;
    outputs[1..].iter().zip(parts).try_for_each(|(name, part)| graph.define(name, part))?;
    Ok(first)
}

/// Expand: with dimensions of extent 1 repeated, so that the shape is this one or one that it is broadcast with.
pub(super) fn expand<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let mut result = graph.input(node, 0, "input")?;
    let target = graph.integers(node, 1, "shape")?.ok_or(NodeError::MissingInput("shape"))?;
    let dims = full_shape(&result, graph.batch);
    let misfit = || unfit("shape", &target, "one that the input's dimensions of extent 1 can be repeated to");
    let missing = target.len().saturating_sub(dims.len());
    if missing > 0 {
        result = under(node, graph, result, &[&vec![1; missing][..], &dims].concat())?;
    }
    let dims = full_shape(&result, graph.batch);
    for (place, &extent) in target.iter().enumerate() {
        let axis = place + dims.len() - target.len();
        match usize::try_from(extent).map_err(|_| misfit())? {
            extent if extent == dims[axis] || extent == 1 => {}
            extent if dims[axis] == 1 => result = graph.select(node, result, axis, std::iter::repeat_n(0, extent))?,
            _ => return Err(misfit()),
        }
    }
    Ok(result)
}

impl<'a> Graph<'a> {
    /// The elements at these places of a dimension, N among them; what depends on the picture from a layer, unless they are
    /// all there are.
    pub(super) fn select(
        &mut self,
        node: &Node<'a>,
        data: Value,
        dimension: usize,
        places: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Value, NodeError> {
        self.charge(places.len())?;
        let places: Vec<usize> = places.collect();
        let dims = full_shape(&data, self.batch);
        let mut x = match data {
            Value::Constant(constant) => {
                let (before, extent, after) = around(&constant.shape, dimension);
                self.charge(before.max(1).saturating_mul(after.max(1)).saturating_mul(places.len()))?;
                let values = constant.values.pick(elements(before, extent, after, &places));
                let mut shape = constant.shape.clone();
                shape[dimension] = places.len();
                return Ok(Constant { shape, values }.into());
            }
            Value::Activation(x) => x,
            Value::Pixels(_) => return Err(NodeError::Batch),
        };
        if places.iter().copied().eq(0..dims[dimension]) {
            return Ok(x.into());
        }
        let ours = dimension.checked_sub(1).ok_or(NodeError::Batch)?;
        let supported = "height, width or channels of a picture, or the elements of a row";
        if let (Some(channels), [_, _, _], 1 | 2) = (x.as_row(), &dims[1..], ours) {
            x = self.unflattened(&format!("{}.picture", node.name()), &x, [1, 1, channels])?;
        }
        // A dimension of one element is in none of the lists: in a picture it is known all the same.
        let axis = x.axis(ours).or_else(|| x.as_image().map(|_| [2, 0, 1][ours]));
        let axis = axis.ok_or_else(|| unfit("the dimension", dimension, supported))?;
        let extent = places.len();
        let source = self.network.add(node.name(), Layer::Select { axis, places }, &[x.source], Vec::new())?;
        Ok(x.with_extent(axis, ours, extent, source).into())
    }
}

fn unfit(name: &'static str, found: impl Debug, supported: &'static str) -> NodeError {
    NodeError::Setting { name, found: format!("{found:?}"), supported }
}

/// Elements before, in and behind a dimension.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// Where the elements at these places of a dimension stand.
fn elements(before: usize, extent: usize, after: usize, places: &[usize]) -> impl Iterator<Item = usize> {
    let row = move |block: usize, row: usize| (0..after).map(move |place| (block * extent + row) * after + place);
    (0..before).flat_map(move |block| places.iter().flat_map(move |&index| row(block, index)))
}
