//! Poolings.

use super::window::{Windows, windows};
use crate::geometry::Padding;
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::context::{Operator, Reading, Value};
use crate::onnx::error::NodeError;
use crate::onnx::proto::integer;
use crate::onnx::writing::Writing;
use crate::pool2d::Pool2d;

pub(crate) const READS: &[(&str, Operator)] =
    &[("AveragePool", average), ("GlobalAveragePool", global_average), ("GlobalMaxPool", global_max), ("MaxPool", max)];

/// MaxPool; its second output, the indices of the maxima, is not computed.
fn max(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, pool, _) = pooled(r)?;
    let source = r.layer(Layer::MaxPool(pool), &[x.source])?;
    Ok(r.image(source).into())
}

/// GlobalMaxPool: one window, as large as the image.
fn global_max(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, [height, width, _]) = r.image_input()?;
    let pool = Pool2d { kernel: [height, width], stride: [1, 1], padding: Padding::default() };
    let source = r.layer(Layer::MaxPool(pool), &[x.source])?;
    Ok(r.image(source).into())
}

fn average(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (mut x, mut pool, beyond) = pooled(r)?;
    let mut count_padding = r.node.integer("count_include_pad", 0)? != 0;
    if count_padding && beyond != Padding::default() {
        // What is beyond the padding doesn't count: the padding becomes a part of the image.
        let padding = Padding {
            bottom: pool.padding.bottom - beyond.bottom,
            right: pool.padding.right - beyond.right,
            ..pool.padding
        };
        if padding != Padding::default() {
            let source = r.add("pad", Layer::Pad { padding, channels: [0, 0], value: 0.0 }, &[x.source], [])?;
            x = r.image(source);
        }
        (pool.padding, count_padding) = (beyond, false);
    }
    if x.layer_shape()[..2] == pool.kernel && pool.padding == Padding::default() {
        return global(r, &x);
    }
    let source = r.layer(Layer::AvgPool { pool, count_padding }, &[x.source])?;
    Ok(r.image(source).into())
}

fn global_average(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, _) = r.image_input()?;
    global(r, &x)
}

/// One value for each channel, which ONNX sees as `[N, C, 1, 1]`.
fn global(r: &mut Reading<'_>, x: &Activation) -> Result<Value, NodeError> {
    let source = r.layer(Layer::GlobalAvgPool, &[x.source])?;
    Ok(Activation::row(source, x.channels(), 3).into())
}

/// The image, the windows, and the part of their padding that only the last windows reach (`ceil_mode`).
fn pooled(r: &mut Reading<'_>) -> Result<(Activation, Pool2d, Padding), NodeError> {
    let (x, [height, width, _]) = r.image_input()?;
    if r.node.integers("kernel_shape")?.is_none_or(<[i64]>::is_empty) {
        return Err(NodeError::MissingInput("kernel_shape"));
    }
    let kernel = r.node.pair("kernel_shape")?;
    let Windows { stride, dilation, mut padding } = Windows::read(&r.node, [height, width], kernel)?;
    if dilation != [1, 1] {
        return Err(NodeError::unsupported("dilations", dilation, "1 in each dimension"));
    }
    let mut reached = Padding::default();
    if r.node.integer("ceil_mode", 0)? != 0 {
        reached.bottom = beyond(height, padding.top, padding.bottom, kernel[0], stride[0]);
        reached.right = beyond(width, padding.left, padding.right, kernel[1], stride[1]);
        padding.bottom = padding.bottom.saturating_add(reached.bottom);
        padding.right = padding.right.saturating_add(reached.right);
    }
    Ok((x, Pool2d { kernel, stride, padding }, reached))
}

/// Pixels by which the last window reaches beyond the padding when the number of windows is rounded up. It must begin
/// within the image or the padding before it.
fn beyond(extent: usize, before: usize, after: usize, kernel: usize, stride: usize) -> usize {
    let Some(room) = extent.saturating_add(before).saturating_add(after).checked_sub(kernel) else { return 0 };
    let last = room.div_ceil(stride).saturating_mul(stride);
    if last >= extent.saturating_add(before) { 0 } else { last - room }
}

pub(crate) fn write_max(w: &mut Writing<'_>, pool: &Pool2d) {
    w.one_node("MaxPool", windows(pool.kernel, pool.stride, &pool.padding));
}

pub(crate) fn write_average(w: &mut Writing<'_>, pool: &Pool2d, count_padding: bool) {
    let mut settings = windows(pool.kernel, pool.stride, &pool.padding);
    settings.push(integer("count_include_pad", count_padding.into()));
    w.one_node("AveragePool", settings);
}

pub(crate) fn write_global_average(w: &mut Writing<'_>) {
    let mean = w.inner_node("mean", "GlobalAveragePool", &w.inputs(), []);
    w.outer_node("row", "Flatten", &mean, []);
}
