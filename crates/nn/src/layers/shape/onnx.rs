//! Layers that move values in ONNX files.

use std::rc::Rc;

use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

use super::{Concat, Flatten, Pad, Rearrange, Select, Unflatten};
use crate::geometry::{MAX_PIXELS, Padding};
use crate::layers::arithmetic::Add;
use crate::onnx::prelude::*;

impl Onnx for Flatten {
    fn write(&self, w: &mut Writing<'_>) {
        if w.input_shape(0).len() == 1 {
            return w.one_node("Flatten", &[]);
        }
        // The row has our order, [H, W, C]: the layers that read it keep their weights.
        let channels_last = w.part("channels_last", "Transpose", &w.inputs(), &[integers("perm", &[0, 2, 3, 1])]);
        w.node("Flatten", &[&channels_last], &[]);
    }
}

impl Onnx for Unflatten {
    fn write(&self, w: &mut Writing<'_>) {
        let [height, width, channels] = self.shape.map(|extent| extent as i64);
        let shape = w.list("shape", &[0, height, width, channels]);
        let channels_last = w.part("channels_last", "Reshape", &[w.inputs()[0], &shape], &[]);
        w.node("Transpose", &[&channels_last], &[integers("perm", &[0, 3, 1, 2])]);
    }
}

impl Onnx for Rearrange {
    fn write(&self, w: &mut Writing<'_>) {
        let channels_last = w.part("channels_last", "Transpose", &w.inputs(), &[integers("perm", &[0, 2, 3, 1])]);
        let list = |extents: &[usize]| {
            std::iter::once(0).chain(extents.iter().map(|&extent| extent as i64)).collect::<Vec<_>>()
        };
        let (extents, shape) = (w.list("extents", &list(&self.extents)), w.list("shape", &list(&self.shape)));
        let divided = w.part("divided", "Reshape", &[&channels_last, &extents], &[]);
        let axes: Vec<usize> = std::iter::once(0).chain(self.axes.iter().map(|axis| axis + 1)).collect();
        let permuted = w.part("permuted", "Transpose", &[&divided], &[integers("perm", &axes)]);
        let joined = w.part("joined", "Reshape", &[&permuted, &shape], &[]);
        w.node("Transpose", &[&joined], &[integers("perm", &[0, 3, 1, 2])]);
    }
}

impl Onnx for Select {
    fn write(&self, w: &mut Writing<'_>) {
        let indices = w.list("places", &self.indices.iter().map(|&place| place as i64).collect::<Vec<_>>());
        // [N, C, H, W] for our [H, W, C].
        let dimension = if w.input_shape(0).len() == 3 { [2, 3, 1][self.axis] } else { self.axis + 1 };
        w.node("Gather", &[w.inputs()[0], &indices], &[integer("axis", dimension as i64)]);
    }
}

impl Onnx for Concat {
    const READS: Reads = &[("Concat", concat)];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("Concat", &[integer("axis", 1)]);
    }
}

fn concat(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let axis = r.node.integer("axis", 1)?;
    let unsupported = |supported| NodeError::unsupported("axis", axis, supported);
    let no_dimension = || unsupported("a dimension of the input");
    let constants: Option<Vec<Rc<Constant>>> = r.inputs()?.iter().map(Value::as_constant).collect();
    if let Some(constants) = constants {
        let rank = constants.first().ok_or(NodeError::MissingInput("input"))?.shape.len();
        return Ok(joined(r, &constants, resolve(axis, rank).ok_or_else(no_dimension)?)?.into());
    }
    let inputs = r.activations()?;
    let dimension = resolve(axis, inputs[0].shape().len() + 1).ok_or_else(no_dimension)?;
    let dimension = dimension.checked_sub(1).ok_or(NodeError::Batch)?;
    let channels = inputs.iter().map(Activation::channels).sum();
    let outputs: Option<Vec<Activation>> = inputs.iter().map(|x| x.with_channels(dimension, channels)).collect();
    if let Some(outputs) = outputs.filter(|outputs| outputs.iter().all(|x| x.same_axes(&outputs[0]))) {
        let sources: Vec<_> = inputs.iter().map(|x| x.source).collect();
        return Ok(outputs[0].of(r.layer(Concat, &sources)?).into());
    }
    if inputs.iter().all(|x| x.as_image().is_some()) && dimension > 0 {
        return Ok(side_by_side(r, &inputs, dimension - 1)?.into());
    }
    Err(unsupported("the channels of inputs with the same axes, or height or width of images"))
}

/// Images joined along their height (axis 0) or width: each with zeros where the others are, and their sum.
fn side_by_side(r: &mut Reading<'_>, images: &[Activation], axis: usize) -> Result<Activation, NodeError> {
    let extents: Vec<usize> = images.iter().map(|image| image.layer_shape()[axis]).collect();
    let total: usize = extents.iter().sum();
    let mut before = 0;
    let mut padded = Vec::with_capacity(images.len());
    for (index, (image, extent)) in images.iter().zip(extents).enumerate() {
        let behind = total - before - extent;
        let padding = match axis {
            0 => Padding { top: before, bottom: behind, ..Padding::default() },
            _ => Padding { left: before, right: behind, ..Padding::default() },
        };
        let layer = Pad { padding, channels: [0, 0], value: 0.0 };
        padded.push(r.add(&format!("{index}"), layer, &[image.source], [])?);
        before += extent;
    }
    let sum = r.layer(Add, &padded)?;
    Ok(r.image(sum))
}

fn joined(r: &mut Reading<'_>, constants: &[Rc<Constant>], axis: usize) -> Result<Constant, NodeError> {
    r.charge(constants.iter().map(|constant| constant.values.len()).sum())?;
    if constants.iter().all(|constant| constant.as_integers().is_some()) {
        let (shape, values) = concatenated(constants, axis, Values::to_integers)?;
        return Ok(Constant { shape, values: Values::Integers(values) });
    }
    let (shape, values) = concatenated(constants, axis, Values::to_floats)?;
    Ok(Constant { shape, values: Values::Floats(values) })
}

fn concatenated<T: Copy>(
    constants: &[Rc<Constant>],
    axis: usize,
    elements: fn(&Values) -> Vec<T>,
) -> Result<(Vec<usize>, Vec<T>), NodeError> {
    let array = |constant: &Rc<Constant>| {
        ArrayD::from_shape_vec(&constant.shape[..], elements(&constant.values))
            .expect("as many elements as the shape says")
    };
    let arrays: Vec<ArrayD<T>> = constants.iter().map(array).collect();
    let views: Vec<ArrayViewD<'_, T>> = arrays.iter().map(|array| array.view()).collect();
    let joined = concatenate(Axis(axis), &views).map_err(|_| {
        let shapes: Vec<&[usize]> = constants.iter().map(|constant| &constant.shape[..]).collect();
        NodeError::Shape { expected: format!("one shape but for dimension {axis}"), found: format!("{shapes:?}") }
    })?;
    Ok((joined.shape().to_vec(), joined.iter().copied().collect()))
}

impl Onnx for Pad {
    const READS: Reads = &[("Pad", pad)];

    fn write(&self, w: &mut Writing<'_>) {
        let Padding { top, left, bottom, right } = self.padding;
        let pads = [0, self.channels[0], top, left, 0, self.channels[1], bottom, right];
        let pads = w.list("pads", &pads.map(|pad| pad as i64));
        let value = w.number("value", self.value);
        w.node("Pad", &[w.inputs()[0], &pads, &value], &[]);
    }
}

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
            around[axis][side] = usize::try_from(pad).ok().filter(|&pad| pad <= MAX_PIXELS).ok_or_else(misfit)?;
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
            let source = r.layer(Pad { padding, channels: of_channels, value }, &[x.source])?;
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
