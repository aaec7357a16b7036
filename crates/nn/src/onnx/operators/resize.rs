//! Resizing.

use super::pool::picture;
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index};
use crate::ops::Interpolation;

/// Resize of height and width, to given sizes or by scales that lead to whole ones.
pub(super) fn resize<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = picture(graph.activation(node, 0, "input")?)?;
    let [height, width, _] = graph.network.image(x.source);
    let size = output_size(node, graph, [height, width])?;
    let interpolation = interpolation(node, [height, width], size)?;
    let source = graph.network.add(node.name(), Layer::Resize { size, interpolation }, &[x.source], Vec::new())?;
    Ok(Activation::image(source, graph.network.image(source)).into())
}

/// The first version has scales as its second input, later ones a region of interest there, then scales, then sizes.
fn is_first_version(node: &Node<'_>) -> bool {
    node.proto.input.len() == 2
}

fn output_size<'a>(node: &Node<'a>, graph: &mut Graph<'a>, from: [usize; 2]) -> Result<[usize; 2], NodeError> {
    let axes: Vec<i64> = node.integers("axes")?.map_or_else(|| vec![0, 1, 2, 3], <[i64]>::to_vec);
    let unsupported = |name, found: String| NodeError::Setting {
        name,
        found,
        supported: "whole numbers of pixels for height and width; batch and channels as they are",
    };
    let at = |axis: usize, given: usize| axes.iter().take(given).position(|&other| index(other, 4) == Some(axis));
    if let Some(sizes) = graph.integers(node, 3, "sizes")? {
        if let Some(found) = node.text("keep_aspect_ratio_policy")?.filter(|policy| policy != "stretch") {
            return Err(NodeError::Setting { name: "keep_aspect_ratio_policy", found, supported: "stretch" });
        }
        let size = |axis| at(axis, sizes.len()).and_then(|place| usize::try_from(sizes[place]).ok());
        return match (size(2), size(3)) {
            (Some(height), Some(width)) => Ok([height, width]),
            _ => Err(unsupported("sizes", format!("{sizes:?}"))),
        };
    }
    let scales = graph.constant(node, if is_first_version(node) { 1 } else { 2 }, "scales")?.to_floats();
    let size = |axis: usize| {
        let exact = f64::from(scales[at(axis, scales.len())?]) * from[axis - 2] as f64;
        // Scales are in single precision.
        let whole = exact.round();
        ((exact - whole).abs() <= 1e-6 * exact && (1.0..1e9).contains(&whole)).then_some(whole as usize)
    };
    let others_stay = [0, 1].iter().all(|&axis| at(axis, scales.len()).is_none_or(|place| scales[place] == 1.0));
    match (size(2), size(3)) {
        (Some(height), Some(width)) if others_stay => Ok([height, width]),
        _ => Err(unsupported("scales", format!("{scales:?}"))),
    }
}

fn interpolation(node: &Node<'_>, from: [usize; 2], to: [usize; 2]) -> Result<Interpolation, NodeError> {
    node.only("antialias", 0, "0")?;
    node.only("exclude_outside", 0, "0")?;
    let mode = node.text("mode")?.unwrap_or_else(|| "nearest".into());
    let first_version = if is_first_version(node) { "asymmetric" } else { "half_pixel" };
    let positions = node.text("coordinate_transformation_mode")?.unwrap_or_else(|| first_version.into());
    let rounding = match node.text("nearest_mode")? {
        Some(rounding) => rounding,
        None if is_first_version(node) => "floor".into(),
        None => "round_prefer_floor".into(),
    };
    let is_enlarged = (0..2).all(|axis| to[axis].is_multiple_of(from[axis]));
    let is_single = to.contains(&1);
    let coefficient = node.float("cubic_coeff_a")?.unwrap_or(-0.75);
    let align_corners = positions == "align_corners";
    let supported = "nearest (asymmetric and floor, or half_pixel by whole factors), linear or cubic of coefficient −0.75 \
                     (half_pixel or align_corners)";
    match (&mode[..], &positions[..], &rounding[..]) {
        ("nearest", "asymmetric", "floor") => Ok(Interpolation::Nearest),
        // Whole factors: each pixel becomes a block, whose pixels are nearest to it by either rule.
        ("nearest", "half_pixel" | "pytorch_half_pixel", "round_prefer_floor" | "round_prefer_ceil")
            if is_enlarged && !is_single =>
        {
            Ok(Interpolation::Nearest)
        }
        ("linear", "half_pixel" | "align_corners", _) => Ok(Interpolation::Bilinear { align_corners }),
        ("linear", "pytorch_half_pixel", _) if !is_single => Ok(Interpolation::Bilinear { align_corners }),
        ("cubic", "half_pixel" | "align_corners", _) if coefficient == -0.75 => {
            Ok(Interpolation::Bicubic { align_corners })
        }
        ("cubic", "pytorch_half_pixel", _) if coefficient == -0.75 && !is_single => {
            Ok(Interpolation::Bicubic { align_corners })
        }
        _ => Err(NodeError::Setting { name: "mode", found: format!("{mode}, {positions}, {rounding}"), supported }),
    }
}
