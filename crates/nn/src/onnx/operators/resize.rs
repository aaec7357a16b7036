//! Resizing.

use super::pool::picture;
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index};
use crate::ops::Interpolation;

/// Resize of height and width, to given sizes or by scales.
pub(super) fn resize<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = picture(graph.activation(node, 0, "input")?)?;
    let [height, width, _] = graph.network.image(x.source);
    let to = Resized::read(node, graph, [height, width])?;
    node.only("antialias", 0, "0")?;
    node.only("exclude_outside", 0, "0")?;
    let interpolation = match node.text("mode")?.as_deref() {
        None | Some("nearest") => {
            let places = nearest(node, graph, [height, width], &to)?;
            let is_ours = (0..2).all(|axis| {
                let (from, to) = ([height, width][axis], to.size[axis]);
                places[axis].iter().copied().eq((0..to).map(|i| i * from / to))
            });
            if !is_ours {
                let [rows, columns] = places;
                let tall = graph.select(node, x.into(), 2, rows.into_iter())?;
                return graph.select(node, tall, 3, columns.into_iter());
            }
            Interpolation::Nearest
        }
        Some(mode) => interpolation(node, mode, &to)?,
    };
    let layer = Layer::Resize { size: to.size, interpolation };
    let source = graph.network.add(node.name(), layer, &[x.source], Vec::new())?;
    Ok(Activation::image(source, graph.network.image(source)).into())
}

/// The first version has scales as its second input, later ones a region of interest there, then scales, then sizes.
fn is_first_version(node: &Node<'_>) -> bool {
    node.proto.input.len() == 2
}

/// `[H, W]` of what comes out, and how much larger it is than what goes in, where that is another number than the sizes say.
struct Resized {
    size: [usize; 2],
    scale: [Option<f64>; 2],
}

impl Resized {
    fn read<'a>(node: &Node<'a>, graph: &mut Graph<'a>, from: [usize; 2]) -> Result<Self, NodeError> {
        let axes: Vec<i64> = node.integers("axes")?.map_or_else(|| vec![0, 1, 2, 3], <[i64]>::to_vec);
        let unsupported = |name, found: String| NodeError::Setting {
            name,
            found,
            supported: "positive ones for height and width; batch and channels as they are",
        };
        let at = |axis: usize, given: usize| axes.iter().take(given).position(|&other| index(other, 4) == Some(axis));
        if let Some(sizes) = graph.integers(node, 3, "sizes")? {
            if let Some(found) = node.text("keep_aspect_ratio_policy")?.filter(|policy| policy != "stretch") {
                return Err(NodeError::Setting { name: "keep_aspect_ratio_policy", found, supported: "stretch" });
            }
            let size = |axis| at(axis, sizes.len()).and_then(|place| usize::try_from(sizes[place]).ok());
            return match (size(2), size(3)) {
                (Some(height), Some(width)) => Ok(Self { size: [height, width], scale: [None, None] }),
                _ => Err(unsupported("sizes", format!("{sizes:?}"))),
            };
        }
        let scales = graph.constant(node, if is_first_version(node) { 1 } else { 2 }, "scales")?.to_floats();
        let resized = |axis: usize| {
            let scale = f64::from(scales[at(axis, scales.len())?]);
            let exact = scale * from[axis - 2] as f64;
            // Scales are in single precision.
            let is_whole = (exact - exact.round()).abs() <= 1e-6 * exact;
            let size = if is_whole { exact.round() } else { exact.floor() };
            (1.0..1e9).contains(&size).then_some((size as usize, Some(scale).filter(|_| !is_whole)))
        };
        let others_stay = [0, 1].iter().all(|&axis| at(axis, scales.len()).is_none_or(|place| scales[place] == 1.0));
        match (resized(2), resized(3)) {
            (Some((height, down)), Some((width, right))) if others_stay => {
                Ok(Self { size: [height, width], scale: [down, right] })
            }
            _ => Err(unsupported("scales", format!("{scales:?}"))),
        }
    }
}

fn positions(node: &Node<'_>) -> Result<String, NodeError> {
    let first_version = if is_first_version(node) { "asymmetric" } else { "half_pixel" };
    Ok(node.text("coordinate_transformation_mode")?.unwrap_or_else(|| first_version.into()))
}

/// The rows and the columns that are nearest.
fn nearest(
    node: &Node<'_>,
    graph: &mut Graph<'_>,
    from: [usize; 2],
    to: &Resized,
) -> Result<[Vec<usize>; 2], NodeError> {
    let positions = positions(node)?;
    let rounding = match node.text("nearest_mode")? {
        Some(rounding) => rounding,
        None if is_first_version(node) => "floor".into(),
        None => "round_prefer_floor".into(),
    };
    let unsupported = |name, found: &str, supported| NodeError::Setting { name, found: found.into(), supported };
    // Of pixel i; so many become so many.
    let position: fn(f64, f64, f64) -> f64 = match &positions[..] {
        "half_pixel" => |i, from, to| (i + 0.5) * from / to - 0.5,
        "pytorch_half_pixel" => |i, from, to| if to > 1.0 { (i + 0.5) * from / to - 0.5 } else { 0.0 },
        "asymmetric" => |i, from, to| i * from / to,
        "align_corners" => |i, from, to| if to > 1.0 { i * (from - 1.0) / (to - 1.0) } else { 0.0 },
        found => {
            let supported = "half_pixel, pytorch_half_pixel, asymmetric, align_corners";
            return Err(unsupported("coordinate_transformation_mode", found, supported));
        }
    };
    let rounded: fn(f64) -> f64 = match &rounding[..] {
        "round_prefer_floor" => |position| (position - 0.5).ceil(),
        "round_prefer_ceil" => |position| (position + 0.5).floor(),
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        found => {
            return Err(unsupported("nearest_mode", found, "round_prefer_floor, round_prefer_ceil, floor, ceil"));
        }
    };
    graph.charge(to.size[0].saturating_add(to.size[1]))?;
    Ok([0, 1].map(|axis| {
        let (from, size) = (from[axis] as f64, to.size[axis]);
        let to = to.scale[axis].map_or(size as f64, |scale| from * scale);
        (0..size).map(|i| rounded(position(i as f64, from, to)).clamp(0.0, from - 1.0) as usize).collect()
    }))
}

fn interpolation(node: &Node<'_>, mode: &str, to: &Resized) -> Result<Interpolation, NodeError> {
    if to.scale != [None, None] {
        let supported = "whole numbers of pixels, unless the mode is nearest";
        return Err(NodeError::Setting { name: "scales", found: format!("{:?}", to.scale), supported });
    }
    let positions = positions(node)?;
    let is_single = to.size.contains(&1);
    let coefficient = node.float("cubic_coeff_a")?.unwrap_or(-0.75);
    let align_corners = positions == "align_corners";
    let is_known = match &positions[..] {
        "half_pixel" | "align_corners" => true,
        "pytorch_half_pixel" => !is_single,
        _ => false,
    };
    match mode {
        "linear" if is_known => Ok(Interpolation::Bilinear { align_corners }),
        "cubic" if is_known && coefficient == -0.75 => Ok(Interpolation::Bicubic { align_corners }),
        _ => {
            let supported = "nearest, or linear or cubic of coefficient −0.75 (half_pixel or align_corners)";
            Err(NodeError::Setting { name: "mode", found: format!("{mode}, {positions}"), supported })
        }
    }
}
