//! Resizing in ONNX files.

use super::{Interpolation, Resize};
use crate::onnx::prelude::*;

impl Onnx for Resize {
    const READS: Reads = &[("Resize", resize), ("Upsample", resize)];

    fn write(&self, w: &mut Writing<'_>) {
        let sizes = w.list("sizes", &self.size.map(|extent| extent as i64));
        let (mode, coordinates) = match self.interpolation {
            Interpolation::Nearest => ("nearest", "asymmetric"),
            Interpolation::Bilinear { align_corners: false } => ("linear", "half_pixel"),
            Interpolation::Bilinear { align_corners: true } => ("linear", "align_corners"),
            Interpolation::Bicubic { align_corners: false } => ("cubic", "half_pixel"),
            Interpolation::Bicubic { align_corners: true } => ("cubic", "align_corners"),
        };
        let settings = [
            integers("axes", &[2, 3]),
            text("mode", mode),
            text("coordinate_transformation_mode", coordinates),
            text("nearest_mode", "floor"),
        ];
        w.node("Resize", &[w.inputs()[0], "", "", &sizes], &settings);
    }
}

/// Resizes height and width, to given sizes or by scales.
fn resize(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, [height, width, _]) = r.image_input()?;
    let to = Resized::read(r, [height, width])?;
    let interpolation = match r.node.text("mode")?.as_deref() {
        None | Some("nearest") => {
            let [rows, columns] = nearest(r, [height, width], &to)?;
            let is_ours = |indices: &[usize], from| {
                indices.iter().copied().eq((0..indices.len()).map(|i| i * from / indices.len()))
            };
            if !is_ours(&rows, height) || !is_ours(&columns, width) {
                let tall = r.select(x.into(), 2, rows.into_iter())?;
                return r.select(tall, 3, columns.into_iter());
            }
            Interpolation::Nearest
        }
        Some(mode) => match interpolation(&r.node, mode, &to)? {
            Some(interpolation) => interpolation,
            None => return by_matrices(r, x, mode, &to),
        },
    };
    let source = r.layer(Resize { size: to.size, interpolation }, &[x.source])?;
    Ok(r.image(source).into())
}

/// The first version, and Upsample before it, have scales as their second input or an attribute; later ones have a region of
/// interest there, then scales, then sizes.
fn is_first_version(node: &Node<'_>) -> bool {
    node.inputs() == 2 || node.proto.op_type == "Upsample"
}

/// `[H, W]` of the output, and for each the scale by which it is computed, if that isn't the quotient of the sizes.
struct Resized {
    size: [usize; 2],
    scale: [Option<f64>; 2],
}

impl Resized {
    fn read(r: &mut Reading<'_>, from: [usize; 2]) -> Result<Self, NodeError> {
        let axes = r.node.integers("axes")?.unwrap_or(&[0, 1, 2, 3]);
        let supported = "positive ones for height and width; batch and channels as they are";
        let index_of =
            |axis: usize, given: usize| axes.iter().take(given).position(|&other| resolve(other, 4) == Some(axis));
        if let Some(sizes) = r.integers(3, "sizes")? {
            if let Some(found) = r.node.text("keep_aspect_ratio_policy")?.filter(|policy| policy != "stretch") {
                return Err(NodeError::unsupported("keep_aspect_ratio_policy", found, "stretch"));
            }
            let size = |axis| index_of(axis, sizes.len()).and_then(|index| usize::try_from(sizes[index]).ok());
            return match (size(2), size(3)) {
                (Some(height), Some(width)) => Ok(Self { size: [height, width], scale: [None, None] }),
                _ => Err(NodeError::unsupported("sizes", sizes, supported)),
            };
        }
        let scales = match r.node.floats("scales")? {
            Some(scales) => scales.to_vec(),
            None => r.constant(if is_first_version(&r.node) { 1 } else { 2 }, "scales")?.to_floats(),
        };
        let resized = |axis: usize| {
            let scale = f64::from(scales[index_of(axis, scales.len())?]);
            let exact = scale * from[axis - 2] as f64;
            // Scales are in single precision.
            let is_whole = (exact - exact.round()).abs() <= 1e-6 * exact;
            let size = if is_whole { exact.round() } else { exact.floor() };
            (1.0..1e9).contains(&size).then_some((size as usize, Some(scale).filter(|_| !is_whole)))
        };
        let others_stay =
            [0, 1].iter().all(|&axis| index_of(axis, scales.len()).is_none_or(|index| scales[index] == 1.0));
        match (resized(2), resized(3)) {
            (Some((height, vertical)), Some((width, horizontal))) if others_stay => {
                Ok(Self { size: [height, width], scale: [vertical, horizontal] })
            }
            _ => Err(NodeError::unsupported("scales", scales, supported)),
        }
    }
}

fn coordinates(node: &Node<'_>) -> Result<String, NodeError> {
    let default = if is_first_version(node) { "asymmetric" } else { "half_pixel" };
    Ok(node.text("coordinate_transformation_mode")?.unwrap_or_else(|| default.into()))
}

/// The nearest row and column for each of the output.
fn nearest(r: &mut Reading<'_>, from: [usize; 2], to: &Resized) -> Result<[Vec<usize>; 2], NodeError> {
    let default = if is_first_version(&r.node) { "floor" } else { "round_prefer_floor" };
    let rounding = r.node.text("nearest_mode")?.unwrap_or_else(|| default.into());
    // Source coordinate of output pixel i, when `from` pixels are resized to `to`.
    let coordinate: fn(f64, f64, f64) -> f64 = match &coordinates(&r.node)?[..] {
        "half_pixel" => |i, from, to| (i + 0.5) * from / to - 0.5,
        "pytorch_half_pixel" => |i, from, to| if to > 1.0 { (i + 0.5) * from / to - 0.5 } else { 0.0 },
        "asymmetric" => |i, from, to| i * from / to,
        "align_corners" => |i, from, to| if to > 1.0 { i * (from - 1.0) / (to - 1.0) } else { 0.0 },
        found => {
            let supported = "half_pixel, pytorch_half_pixel, asymmetric, align_corners";
            return Err(NodeError::unsupported("coordinate_transformation_mode", found, supported));
        }
    };
    let rounded: fn(f64) -> f64 = match &rounding[..] {
        "round_prefer_floor" => |coordinate| (coordinate - 0.5).ceil(),
        "round_prefer_ceil" => |coordinate| (coordinate + 0.5).floor(),
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        found => {
            let supported = "round_prefer_floor, round_prefer_ceil, floor, ceil";
            return Err(NodeError::unsupported("nearest_mode", found, supported));
        }
    };
    r.charge(to.size[0].saturating_add(to.size[1]))?;
    Ok([0, 1].map(|axis| {
        let (from, size) = (from[axis] as f64, to.size[axis]);
        let to = to.scale[axis].map_or(size as f64, |scale| from * scale);
        (0..size).map(|i| rounded(coordinate(i as f64, from, to)).clamp(0.0, from - 1.0) as usize).collect()
    }))
}

/// Linear or cubic interpolation as the layer has it; `None` if it is another one.
fn interpolation(node: &Node<'_>, mode: &str, to: &Resized) -> Result<Option<Interpolation>, NodeError> {
    let coordinates = coordinates(node)?;
    let align_corners = coordinates == "align_corners";
    let is_known = match &coordinates[..] {
        "half_pixel" | "align_corners" => true,
        "pytorch_half_pixel" => !to.size.contains(&1),
        _ => false,
    };
    let is_plain = node.integer("antialias", 0)? == 0 && node.integer("exclude_outside", 0)? == 0;
    if !is_known || !is_plain || to.scale != [None, None] {
        return Ok(None);
    }
    Ok(match mode {
        "linear" => Some(Interpolation::Bilinear { align_corners }),
        "cubic" if node.float("cubic_coeff_a")?.is_none_or(|coefficient| coefficient == -0.75) => {
            Some(Interpolation::Bicubic { align_corners })
        }
        _ => None,
    })
}

/// Any other linear or cubic interpolation: the columns and then the rows, each multiplied by a matrix.
fn by_matrices(r: &mut Reading<'_>, x: Activation, mode: &str, to: &Resized) -> Result<Value, NodeError> {
    let kernel = Kernel::read(&r.node, mode)?;
    let mut x: Value = x.into();
    for axis in [1, 0] {
        let matrix = kernel.matrix(r, r.full_shape(&x)[3], to.size[axis], to.scale[axis])?;
        x = r.product(x, matrix.into())?;
        x = r.permuted(x, &[0, 1, 3, 2])?;
    }
    Ok(x)
}

/// The weights of pixels by their distance from where an output pixel reads.
struct Kernel {
    /// The coefficient of cubic convolution; `None` is linear interpolation.
    cubic: Option<f64>,
    coordinates: String,
    /// Whether an output pixel of a smaller picture is a mean of all pixels that it covers.
    antialias: bool,
    /// Whether pixels beyond the edges count for nothing, rather than as the outermost ones.
    exclude_outside: bool,
}

impl Kernel {
    fn read(node: &Node<'_>, mode: &str) -> Result<Self, NodeError> {
        let coordinates = coordinates(node)?;
        let cubic = match mode {
            "linear" => None,
            "cubic" => Some(node.decimal("cubic_coeff_a", -0.75)?),
            _ => return Err(NodeError::unsupported("mode", mode, "nearest, linear, cubic")),
        };
        let flag = |name| Ok::<bool, NodeError>(node.integer(name, 0)? != 0);
        Ok(Self { cubic, coordinates, antialias: flag("antialias")?, exclude_outside: flag("exclude_outside")? })
    }

    /// The weight at a distance in pixels.
    fn weight(&self, distance: f64) -> f64 {
        let d = distance.abs();
        match self.cubic {
            None => (1.0 - d).max(0.0),
            Some(a) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            Some(a) if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            Some(_) => 0.0,
        }
    }

    /// What each of `to` pixels reads of `from`: a matrix `[from, to]`.
    fn matrix(&self, r: &mut Reading<'_>, from: usize, to: usize, scale: Option<f64>) -> Result<Constant, NodeError> {
        if from == 0 || to == 0 {
            return Err(NodeError::shape("pixels to resize, and to resize them to", &[from, to]));
        }
        let exact = scale.map_or(to as f64, |scale| scale * from as f64);
        let scale = scale.unwrap_or(to as f64 / from as f64);
        let position: &dyn Fn(f64) -> f64 = match &self.coordinates[..] {
            "half_pixel" => &|i| (i + 0.5) / scale - 0.5,
            "pytorch_half_pixel" => &|i| if exact > 1.0 { (i + 0.5) / scale - 0.5 } else { 0.0 },
            "asymmetric" => &|i| i / scale,
            "align_corners" => &|i| if exact > 1.0 { i * (from as f64 - 1.0) / (exact - 1.0) } else { 0.0 },
            found => {
                let supported = "half_pixel, pytorch_half_pixel, asymmetric, align_corners";
                return Err(NodeError::unsupported("coordinate_transformation_mode", found, supported));
            }
        };
        let narrow = if self.antialias { scale.min(1.0) } else { 1.0 };
        let reach = if self.cubic.is_some() { 2.0 } else { 1.0 } / narrow;
        let last = from as f64 - 1.0;
        r.charge(from.saturating_mul(to))?;
        let mut values = vec![0.0_f64; from * to];
        for i in 0..to {
            let position = position(i as f64);
            let pixels = (position - reach).ceil() as i64..=(position + reach).floor() as i64;
            let read: Vec<(f64, f64)> = pixels
                .map(|pixel| (pixel as f64, self.weight((pixel as f64 - position) * narrow)))
                .filter(|(pixel, _)| !self.exclude_outside || (0.0..=last).contains(pixel))
                .collect();
            let sum: f64 = read.iter().map(|(_, weight)| weight).sum();
            for (pixel, weight) in read {
                values[pixel.clamp(0.0, last) as usize * to + i] += weight / sum;
            }
        }
        Ok(Constant::floats(&[from, to], values.into_iter().map(|value| value as f32).collect()))
    }
}
