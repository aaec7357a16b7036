//! Poolings and means.

use super::window::Windows;
use crate::geometry::Padding;
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index, pair};
use crate::pool2d::Pool2d;

/// MaxPool; its second output, the places of the largest values, is not computed.
pub(super) fn max<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let (x, pool, _) = pooled(node, graph)?;
    layer(node, graph, &x, Layer::MaxPool(pool))
}

/// AveragePool.
pub(super) fn average<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let (x, pool, rounded_up) = pooled(node, graph)?;
    let count_padding = node.integer("count_include_pad", 0)? != 0;
    if count_padding && rounded_up {
        let supported = "0 where windows reach beyond the padding (ceil_mode)";
        return Err(NodeError::Setting { name: "count_include_pad", found: "1".into(), supported });
    }
    let [h, w, _] = graph.network.image(x.source);
    if pool.kernel == [h, w] && pool.padding == Padding::default() {
        return global(node, graph, &x);
    }
    layer(node, graph, &x, Layer::AvgPool { pool, count_padding })
}

/// GlobalAveragePool.
pub(super) fn global_average<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    global(node, graph, &picture(x)?)
}

/// GlobalMaxPool: one window, as large as the picture.
pub(super) fn global_max<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = picture(graph.activation(node, 0, "input")?)?;
    let [height, width, _] = graph.network.image(x.source);
    let pool = Pool2d { kernel: [height, width], stride: [1, 1], padding: Padding::default() };
    layer(node, graph, &x, Layer::MaxPool(pool))
}

/// ReduceMean over height and width.
pub(super) fn reduce_mean<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let rank = x.shape().len() + 1;
    let axes = graph.integers(node, 1, "axes")?.unwrap_or_default();
    let over: Option<Vec<usize>> = axes.iter().map(|&axis| index(axis, rank)).collect();
    // What is left of the picture's axes must be its channels.
    let channels: Vec<usize> =
        (1..rank).filter(|axis| !over.as_ref().is_some_and(|over| over.contains(axis))).collect();
    let is_spatial = x.is_image_in_any_order() && rank == 4 && axes.len() == 2;
    let &[channels] = &channels[..] else { return Err(unsupported(&axes)) };
    if !is_spatial || !x.is_channels(channels - 1) {
        return Err(unsupported(&axes));
    }
    let kept = node.integer("keepdims", 1)? != 0;
    let source = graph.network.add(node.name(), Layer::GlobalAvgPool, &[x.source], Vec::new())?;
    let row = Activation::row(source, x.shape()[channels - 1], 1);
    let mut shape = vec![1; 3];
    shape[channels - 1] = row.shape()[0];
    Ok(if kept { row.reshaped(&shape)? } else { row }.into())
}

fn unsupported(axes: &[i64]) -> NodeError {
    NodeError::Setting { name: "axes", found: format!("{axes:?}"), supported: "height and width of a picture" }
}

/// One value a channel, which ONNX has as `[N, C, 1, 1]`.
fn global<'a>(node: &Node<'a>, graph: &mut Graph<'a>, x: &Activation) -> Result<Value, NodeError> {
    let source = graph.network.add(node.name(), Layer::GlobalAvgPool, &[x.source], Vec::new())?;
    Ok(Activation::row(source, x.shape()[0], x.shape().len()).into())
}

fn layer<'a>(node: &Node<'a>, graph: &mut Graph<'a>, x: &Activation, layer: Layer) -> Result<Value, NodeError> {
    let source = graph.network.add(node.name(), layer, &[x.source], Vec::new())?;
    Ok(Activation::image(source, graph.network.image(source)).into())
}

/// What ONNX sees as `[N, C, H, W]`.
pub(super) fn picture(x: Activation) -> Result<Activation, NodeError> {
    match x.as_image() {
        Some(_) => Ok(x),
        None => Err(NodeError::Shape { expected: "a picture [N, C, H, W] (N left out)".into(), found: x.shape() }),
    }
}

/// The picture, its windows, and whether some of them reach beyond its padding (`ceil_mode`).
fn pooled<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<(Activation, Pool2d, bool), NodeError> {
    let x = picture(graph.activation(node, 0, "input")?)?;
    let [height, width, _] = graph.network.image(x.source);
    let shape = node.integers("kernel_shape")?.unwrap_or_default();
    let kernel = pair(shape).ok_or_else(|| NodeError::Setting {
        name: "kernel_shape",
        found: format!("{shape:?}"),
        supported: "two positive numbers",
    })?;
    node.only_ones("dilations")?;
    let Windows { stride, mut padding, .. } = Windows::read(node, [height, width], kernel)?;
    let mut rounded_up = false;
    if node.integer("ceil_mode", 0)? != 0 {
        for (axis, (extent, before, after)) in
            [(height, padding.top, &mut padding.bottom), (width, padding.left, &mut padding.right)]
                .into_iter()
                .enumerate()
        {
            let more = beyond(extent, before, *after, kernel[axis], stride[axis]);
            rounded_up |= more > 0;
            *after = after.saturating_add(more);
        }
    }
    Ok((x, Pool2d { kernel, stride, padding }, rounded_up))
}

/// Pixels by which the last window reaches beyond the padding when the number of windows is rounded up. It must begin
/// within the picture or the padding before it.
fn beyond(extent: usize, before: usize, after: usize, kernel: usize, stride: usize) -> usize {
    let Some(room) = extent.saturating_add(before).saturating_add(after).checked_sub(kernel) else { return 0 };
    let last = room.div_ceil(stride).saturating_mul(stride);
    if last >= extent.saturating_add(before) { 0 } else { last - room }
}
