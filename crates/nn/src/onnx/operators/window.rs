//! Where the windows of convolutions and poolings lie, and padding as a layer of its own.

use super::pool::picture;
use crate::geometry::{MOST_PIXELS, Padding};
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, decimal, index};

/// Stride, dilation and padding of a node's windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) padding: Padding,
}

impl Windows {
    /// Of windows of `kernel` over a picture of `input` `[H, W]`.
    pub(super) fn read(node: &Node<'_>, input: [usize; 2], kernel: [usize; 2]) -> Result<Self, NodeError> {
        let (stride, dilation) = (node.pair("strides")?, node.pair("dilations")?);
        let same = Padding::same(input, kernel, stride, dilation);
        let padding = match node.text("auto_pad")?.as_deref() {
            None | Some("NOTSET" | "") => padding(node.integers("pads")?.unwrap_or_default())?,
            Some("VALID") => Padding::default(),
            Some("SAME_UPPER") => same,
            Some("SAME_LOWER") => Padding { top: same.bottom, bottom: same.top, left: same.right, right: same.left },
            Some(found) => {
                let supported = "NOTSET, VALID, SAME_UPPER, SAME_LOWER";
                return Err(NodeError::Setting { name: "auto_pad", found: found.into(), supported });
            }
        };
        Ok(Self { stride, dilation, padding })
    }
}

/// ONNX's order: above, to the left, below, to the right.
fn padding(pads: &[i64]) -> Result<Padding, NodeError> {
    let pixels: Option<Vec<usize>> = pads.iter().map(|&pad| usize::try_from(pad).ok()).collect();
    match pixels.as_deref() {
        Some([]) => Ok(Padding::default()),
        Some(&[top, left, bottom, right]) => Ok(Padding { top, bottom, left, right }),
        _ => {
            let supported = "four numbers from 0: above, to the left, below, to the right";
            Err(NodeError::Setting { name: "pads", found: format!("{pads:?}"), supported })
        }
    }
}

/// Pad: with a constant, or with pixels of the picture, as edges are repeated or mirrored.
pub(super) fn pad<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = picture(graph.activation(node, 0, "input")?)?;
    let pads = graph.integers(node, 1, "pads")?.ok_or(NodeError::MissingInput("pads"))?;
    let axes = graph.integers(node, 3, "axes")?.unwrap_or_else(|| vec![0, 1, 2, 3]);
    let supported = "numbers from 0 for height, width and channels, 0 for the batch";
    let unsupported = || NodeError::Setting { name: "pads", found: format!("{pads:?}"), supported };
    if pads.len() != 2 * axes.len() {
        return Err(unsupported());
    }
    // Before and after each of the four dimensions.
    let mut whole = [[0_usize; 2]; 4];
    for (place, &axis) in axes.iter().enumerate() {
        let axis = index(axis, 4).ok_or_else(unsupported)?;
        for (side, &pad) in [pads[place], pads[axes.len() + place]].iter().enumerate() {
            whole[axis][side] = usize::try_from(pad).ok().filter(|&pad| pad <= MOST_PIXELS).ok_or_else(unsupported)?;
        }
    }
    let [[0, 0], channels, [top, bottom], [left, right]] = whole else { return Err(unsupported()) };
    let mode = node.text("mode")?;
    let from: fn(i64, i64) -> i64 = match mode.as_deref() {
        None | Some("constant") => {
            let value = match graph.optional_constant(node, 2, "value")? {
                Some(value) => value.scalar(),
                None => node.float("value")?,
            };
            let padding = Padding { top, bottom, left, right };
            let layer = Layer::Pad { padding, channels, value: decimal(value.unwrap_or(0.0)) };
            let source = graph.network.add(node.name(), layer, &[x.source], Vec::new())?;
            return Ok(Activation::image(source, graph.network.image(source)).into());
        }
        Some("edge") => |place: i64, last: i64| place.clamp(0, last),
        Some("reflect") => |place: i64, last: i64| last - (last - place.abs()).abs(),
        Some("wrap") => |place: i64, last: i64| place.rem_euclid(last + 1),
        Some(found) => {
            let supported = "constant, edge, reflect, wrap";
            return Err(NodeError::Setting { name: "mode", found: found.into(), supported });
        }
    };
    let extents = x.shape();
    let mut result = Value::from(x);
    for (dimension, &[before, after]) in whole.iter().enumerate().skip(1) {
        let extent = extents[dimension - 1];
        if mode.as_deref() == Some("reflect") && before.max(after) >= extent {
            return Err(NodeError::Setting { name: "pads", found: format!("{pads:?}"), supported: REFLECTED });
        }
        let places = (0..before + extent + after).map(|place| from(place as i64 - before as i64, extent as i64 - 1));
        result = graph.select(node, result, dimension, places.map(|place| place as usize))?;
    }
    Ok(result)
}

const REFLECTED: &str = "less than the picture has, where it is mirrored";
