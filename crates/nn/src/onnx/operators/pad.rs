//! Padding as a layer of its own.

use crate::geometry::{MOST_PIXELS, Padding};
use crate::layer::Layer;
use crate::onnx::context::{Operator, Reading, Value};
use crate::onnx::error::NodeError;
use crate::onnx::node::{decimal, resolve};
use crate::onnx::writing::Writing;

pub(crate) const READS: &[(&str, Operator)] = &[("Pad", pad)];

/// Pads with a constant, or with pixels of the image, whose edges are repeated or mirrored or which is repeated whole.
fn pad(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, [height, width, channels]) = r.image_input()?;
    let pads = r.integers(1, "pads")?.ok_or(NodeError::MissingInput("pads"))?;
    let axes = r.integers(3, "axes")?.unwrap_or_else(|| vec![0, 1, 2, 3]);
    let unsupported = |supported| NodeError::unsupported("pads", &pads, supported);
    let misfit = || unsupported("numbers from 0 for height, width and channels, 0 for the batch");
    if pads.len() != 2 * axes.len() {
        return Err(misfit());
    }
    // Before and after each of the four dimensions.
    let mut around = [[0_usize; 2]; 4];
    for (index, &axis) in axes.iter().enumerate() {
        let axis = resolve(axis, 4).ok_or_else(misfit)?;
        for (side, &pad) in [pads[index], pads[axes.len() + index]].iter().enumerate() {
            around[axis][side] = usize::try_from(pad).ok().filter(|&pad| pad <= MOST_PIXELS).ok_or_else(misfit)?;
        }
    }
    let [[0, 0], of_channels, [top, bottom], [left, right]] = around else { return Err(misfit()) };
    let mode = r.node.text("mode")?;
    let from: fn(i64, i64) -> i64 = match mode.as_deref() {
        None | Some("constant") => {
            let value = match r.optional_constant(2, "value")? {
                Some(value) => value.scalar(),
                None => r.node.float("value")?,
            };
            let (padding, value) = (Padding { top, bottom, left, right }, decimal(value.unwrap_or(0.0)));
            let source = r.layer(Layer::Pad { padding, channels: of_channels, value }, &[x.source])?;
            return Ok(r.image(source).into());
        }
        Some("edge") => |index, last| index.clamp(0, last),
        Some("reflect") => |index, last| last - (last - index.abs()).abs(),
        Some("wrap") => |index, last| index.rem_euclid(last + 1),
        Some(found) => return Err(NodeError::unsupported("mode", found, "constant, edge, reflect, wrap")),
    };
    let mut result = Value::from(x);
    for (dimension, extent) in [(1, channels), (2, height), (3, width)] {
        let [before, after] = around[dimension];
        if mode.as_deref() == Some("reflect") && before.max(after) >= extent {
            return Err(unsupported("less than the image has, where it is mirrored"));
        }
        let indices = (0..before + extent + after).map(|i| from(i as i64 - before as i64, extent as i64 - 1) as usize);
        result = r.select(result, dimension, indices)?;
    }
    Ok(result)
}

pub(crate) fn write(w: &mut Writing<'_>, padding: &Padding, channels: [usize; 2], value: f64) {
    let Padding { top, left, bottom, right } = *padding;
    let pads = [0, channels[0], top, left, 0, channels[1], bottom, right];
    let pads = w.list("pads", &pads.map(|pad| pad as i64));
    let value = w.number("value", value);
    w.node("Pad", &[w.inputs()[0], &pads, &value], []);
}
