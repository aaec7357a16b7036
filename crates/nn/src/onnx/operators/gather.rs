//! Shapes, and parts of constants: what exporters write where a size is computed.

use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index};

use super::shape::full_shape;

/// Shape, or a range of it.
pub(super) fn shape<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let shape: Vec<i64> = full_shape(&x, graph.batch).iter().map(|&extent| extent as i64).collect();
    let rank = shape.len() as i64;
    let place = |place: i64| (if place < 0 { place.saturating_add(rank) } else { place }).clamp(0, rank) as usize;
    let (start, end) = (place(node.integer("start", 0)?), place(node.integer("end", rank)?));
    Ok(Constant::integers(shape.get(start..end).unwrap_or_default().to_vec()).into())
}

/// Gather, from a constant.
pub(super) fn gather<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let data = graph.constant(node, 0, "data")?;
    let axis = node.integer("axis", 0)?;
    let unfit = |name, found: String, supported| NodeError::Setting { name, found, supported };
    let axis =
        index(axis, data.shape.len()).ok_or_else(|| unfit("axis", axis.to_string(), "a dimension of the data"))?;
    let indices = graph.constant(node, 1, "indices")?;
    let (before, extent, after) = around(&data.shape, axis);
    let given = indices.as_integers().unwrap_or_default();
    let rows: Option<Vec<usize>> = given.iter().map(|&row| index(row, extent)).collect();
    let rows = rows.filter(|rows| rows.len() == indices.values.len());
    let rows = rows.ok_or_else(|| unfit("indices", format!("{given:?}"), "integers within the dimension"))?;
    graph.charge(before.saturating_mul(after).saturating_mul(rows.len()))?;
    let shape = [&data.shape[..axis], &indices.shape, &data.shape[axis + 1..]].concat();
    Ok(Constant { shape, values: data.values.pick(places(before, extent, after, &rows)) }.into())
}

/// Slice, of a constant; its settings are attributes in the oldest versions.
pub(super) fn slice<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let mut result = (*graph.constant(node, 0, "data")?).clone();
    let starts = graph.integers(node, 1, "starts")?.ok_or(NodeError::MissingInput("starts"))?;
    let ends = graph.integers(node, 2, "ends")?.ok_or(NodeError::MissingInput("ends"))?;
    let axes = graph.integers(node, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = graph.integers(node, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    let unfit = |name, found: &[i64], supported| NodeError::Setting { name, found: format!("{found:?}"), supported };
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(unfit("ends", &ends, "as many as there are starts, axes and steps"));
    }
    for place in 0..starts.len() {
        let axis = index(axes[place], result.shape.len());
        let axis = axis.ok_or_else(|| unfit("axes", &axes, "dimensions of the data"))?;
        let step = usize::try_from(steps[place]).ok().filter(|&step| step > 0);
        let step = step.ok_or_else(|| unfit("steps", &steps, "positive ones"))?;
        let (before, extent, after) = around(&result.shape, axis);
        let bound = |value: i64| {
            let value = if value < 0 { value.saturating_add(extent as i64) } else { value };
            value.clamp(0, extent as i64) as usize
        };
        let rows = (bound(starts[place])..bound(ends[place])).step_by(step);
        graph.charge(before.max(1).saturating_mul(after.max(1)).saturating_mul(rows.len()))?;
        let rows: Vec<usize> = rows.collect();
        result.values = result.values.pick(places(before, extent, after, &rows));
        result.shape[axis] = rows.len();
    }
    Ok(result.into())
}

/// Elements before, in and behind a dimension.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// The elements of these rows of a dimension.
fn places(before: usize, extent: usize, after: usize, rows: &[usize]) -> impl Iterator<Item = usize> {
    let row = move |block: usize, row: usize| (0..after).map(move |place| (block * extent + row) * after + place);
    (0..before).flat_map(move |block| rows.iter().flat_map(move |&index| row(block, index)))
}
