//! Poolings.

use super::window::Windows;
use crate::geometry::Padding;
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, pair};
use crate::pool2d::Pool2d;

/// MaxPool; its second output, the places of the largest values, is not computed.
pub(super) fn max<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let (x, pool, _) = pooled(node, graph)?;
    layer(node, graph, &x, Layer::MaxPool(pool))
}

/// AveragePool.
pub(super) fn average<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let (mut x, mut pool, beyond) = pooled(node, graph)?;
    let mut count_padding = node.integer("count_include_pad", 0)? != 0;
    if count_padding && beyond != Padding::default() {
        // What is beyond the padding doesn't count: the padding becomes a part of the picture.
        let padding = Padding {
            bottom: pool.padding.bottom - beyond.bottom,
            right: pool.padding.right - beyond.right,
            ..pool.padding
        };
        if padding != Padding::default() {
            let name = format!("{}.pad", node.name());
            let layer = Layer::Pad { padding, channels: [0, 0], value: 0.0 };
            let source = graph.network.add(&name, layer, &[x.source], Vec::new())?;
            x = Activation::image(source, graph.network.image(source));
        }
        (pool.padding, count_padding) = (beyond, false);
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

/// The picture, its windows, and how much of their padding only the last of them reach (`ceil_mode`).
fn pooled<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<(Activation, Pool2d, Padding), NodeError> {
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
    let mut reached = Padding::default();
    if node.integer("ceil_mode", 0)? != 0 {
        reached.bottom = beyond(height, padding.top, padding.bottom, kernel[0], stride[0]);
        reached.right = beyond(width, padding.left, padding.right, kernel[1], stride[1]);
        padding.bottom = padding.bottom.saturating_add(reached.bottom);
        padding.right = padding.right.saturating_add(reached.right);
    }
    Ok((x, Pool2d { kernel, stride, padding }, reached))
}

/// Pixels by which the last window reaches beyond the padding when the number of windows is rounded up. It must begin
/// within the picture or the padding before it.
fn beyond(extent: usize, before: usize, after: usize, kernel: usize, stride: usize) -> usize {
    let Some(room) = extent.saturating_add(before).saturating_add(after).checked_sub(kernel) else { return 0 };
    let last = room.div_ceil(stride).saturating_mul(stride);
    if last >= extent.saturating_add(before) { 0 } else { last - room }
}
