//! Layers that move values in ONNX files.

use std::ops::Range;
use std::rc::Rc;

use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

use super::{Concat, Flatten, Pad, Rearrange, Select, Unflatten};
use crate::geometry::{MAX_PIXELS, Padding};
use crate::onnx::constant::size;
use crate::onnx::prelude::*;

impl Onnx for Flatten {
    fn write(&self, w: &mut Writing<'_>) {
        if w.input_shape(0).len() == 1 {
            return w.one_node("Flatten", &[]);
        }
        // The row has our order, [H, W, C]: the layers that read it keep their weights.
        let channels_last = w.channels_last(0);
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
        let channels_last = w.channels_last(0);
        let list = |extents: &[usize]| {
            std::iter::once(0).chain(extents.iter().map(|&extent| extent as i64)).collect::<Vec<_>>()
        };
        let (extents, shape) = (w.list("extents", &list(&self.extents)), w.list("shape", &list(&self.shape)));
        let divided = w.part("divided", "Reshape", &[&channels_last, &extents], &[]);
        let axes: Vec<usize> = std::iter::once(0).chain(self.axes.iter().map(|axis| axis + 1)).collect();
        let permuted = w.part("permuted", "Transpose", &[&divided], &[integers("perm", &axes)]);
        if self.shape.len() != 3 {
            return w.node("Reshape", &[&permuted, &shape], &[]);
        }
        let joined = w.part("joined", "Reshape", &[&permuted, &shape], &[]);
        w.node("Transpose", &[&joined], &[integers("perm", &[0, 3, 1, 2])]);
    }
}

impl Onnx for Select {
    fn write(&self, w: &mut Writing<'_>) {
        let indices = w.list("places", &self.indices.iter().map(|&place| place as i64).collect::<Vec<_>>());
        let dimension = dimension_of(self.axis, w.input_shape(0).len());
        w.node("Gather", &[w.inputs()[0], &indices], &[integer("axis", dimension)]);
    }
}

/// ONNX's dimension that is an axis of values of this rank: [N, C, H, W] for our [H, W, C].
fn dimension_of(axis: usize, rank: usize) -> i64 {
    if rank == 3 { [2, 3, 1][axis] } else { axis as i64 + 1 }
}

impl Onnx for Concat {
    const READS: Reads = &[("Concat", concat)];

    fn write(&self, w: &mut Writing<'_>) {
        let rank = w.input_shape(0).len();
        w.one_node("Concat", &[integer("axis", dimension_of(self.axis.unwrap_or(rank - 1), rank))]);
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
    let inputs = beside_constants(r)?;
    let dimension = resolve(axis, inputs[0].rank()).ok_or_else(no_dimension)?;
    let channels = inputs.iter().map(Activation::channels).sum();
    let outputs: Option<Vec<Activation>> = inputs.iter().map(|x| x.with_channels(dimension, channels)).collect();
    if let Some(outputs) = outputs.filter(|outputs| outputs.iter().all(|x| x.same_axes(&outputs[0]))) {
        let sources: Vec<_> = inputs.iter().map(|x| x.source).collect();
        return Ok(outputs[0].of(r.layer(Concat::default(), &sources)?).into());
    }
    if inputs.iter().all(|x| x.as_image().is_some()) && dimension > 1 {
        let sources: Vec<_> = inputs.iter().map(|x| x.source).collect();
        let source = r.layer(Concat::along(dimension - 2), &sources)?;
        return Ok(r.image(source).into());
    }
    if inputs.iter().any(|x| x.rank() != inputs[0].rank()) {
        return Err(unsupported("inputs with as many dimensions as one another"));
    }
    Ok(along(r, &inputs, dimension)?.into())
}

/// The inputs. Those that don't depend on the image become layers.
fn beside_constants(r: &mut Reading<'_>) -> Result<Vec<Activation>, NodeError> {
    let inputs = r.inputs()?;
    let first = inputs.iter().find_map(|input| match input {
        Value::Activation(x) => Some(x.clone()),
        Value::Constant(_) => None,
    });
    let beside = first.ok_or(NodeError::MissingInput("input"))?;
    let each = inputs.into_iter().enumerate().map(|(index, input)| match input {
        Value::Activation(x) => Ok(x),
        Value::Constant(constant) => r.learned(&format!("{index}"), &constant, &beside),
    });
    each.collect()
}

/// Inputs joined along a dimension, each in ONNX's order.
fn along(r: &mut Reading<'_>, inputs: &[Activation], dimension: usize) -> Result<Activation, NodeError> {
    // Of a single image, values may be joined along the first dimension, too.
    let is_first = dimension == 0 && r.images() == 1;
    let first = usize::from(inputs.iter().all(Activation::has_batch_first) && !is_first);
    let axis = dimension.checked_sub(first).ok_or(NodeError::Batch)?;
    let groups: Vec<Vec<usize>> = (first..inputs[0].rank()).map(|dimension| vec![dimension]).collect();
    let mut arranged = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        arranged.push(r.arranged_as(&format!("{index}.plain"), input, &groups)?);
    }
    let sources: Vec<_> = arranged.iter().map(|x| x.source).collect();
    let concat = if axis + 1 == groups.len() { Concat::default() } else { Concat::along(axis) };
    let extent = arranged.iter().map(|x| x.layer_shape()[axis]).sum();
    let joined = arranged[0].resized(dimension, axis, extent).ok_or(NodeError::Batch)?;
    let source = r.layer(concat, &sources)?;
    Ok(joined.of(source))
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

/// What is cut from the sides of each of a node's dimensions, and what is added to them.
struct Sides {
    /// The indices that are kept.
    kept: Vec<Range<usize>>,
    /// The padding before and after them.
    around: Vec<[usize; 2]>,
}

impl Sides {
    /// Of an input of this shape. A negative padding cuts.
    fn read(r: &mut Reading<'_>, shape: &[usize]) -> Result<Self, NodeError> {
        let pads = r.integers(1, "pads")?.ok_or(NodeError::MissingInput("pads"))?;
        let axes = r.integers(3, "axes")?.unwrap_or_else(|| (0..shape.len() as i64).collect());
        let misfit = |supported| NodeError::unsupported("pads", &pads, supported);
        let two = || misfit("two numbers for each dimension");
        if pads.len() != 2 * axes.len() {
            return Err(two());
        }
        let mut sides =
            Self { kept: shape.iter().map(|&extent| 0..extent).collect(), around: vec![[0; 2]; shape.len()] };
        for (index, &axis) in axes.iter().enumerate() {
            let axis = resolve(axis, shape.len()).ok_or_else(two)?;
            let pads = [pads[index], pads[axes.len() + index]];
            let [before, after] = pads.map(|pad| usize::try_from(pad.min(0).unsigned_abs()).unwrap_or(usize::MAX));
            let end = shape[axis].checked_sub(after).filter(|&end| before < end);
            sides.kept[axis] = before..end.ok_or_else(|| misfit("negative by less than the input has"))?;
            let added = pads.map(|pad| usize::try_from(pad.max(0)).unwrap_or(usize::MAX));
            let is_small = |&pad: &usize| pad <= MAX_PIXELS;
            sides.around[axis] = Some(added)
                .filter(|added| added.iter().all(is_small))
                .ok_or_else(|| misfit("at most 1048576 pixels on a side"))?;
        }
        Ok(sides)
    }
}

/// The value of a padding with a constant.
fn padding_value(r: &mut Reading<'_>) -> Result<f32, NodeError> {
    let value = match r.optional_constant(2, "value")? {
        Some(value) => value.scalar(),
        None => r.node.float("value")?,
    };
    // Minus infinity, before a maximum, is the least finite number.
    Ok(value.map_or(0.0, |value| value.max(f32::MIN)))
}

/// Pads with a constant, or with pixels of the image, whose edges are repeated or mirrored or which is repeated whole.
fn pad(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let mut x = r.activation(0, "input")?;
    let Sides { kept, around } = Sides::read(r, &x.shape())?;
    for (dimension, kept) in kept.into_iter().enumerate() {
        x = r.selected(x, dimension, kept)?;
    }
    if around.iter().all(|&sides| sides == [0, 0]) {
        return Ok(x.into());
    }
    if !(x.rank() == 4 && x.has_batch_first() && x.layer_shape().len() == 3) {
        return joined_to_margins(r, x, &around);
    }
    let (x, [height, width, channels]) = r.as_image(&x)?;
    let unsupported = |supported| NodeError::unsupported("pads", &around, supported);
    let [[0, 0], of_channels, [top, bottom], [left, right]] = around[..] else {
        return Err(unsupported("0 for the batch"));
    };
    let mode = r.node.text("mode")?;
    let from: fn(i64, i64) -> i64 = match mode.as_deref() {
        None | Some("constant") => {
            let (padding, value) = (Padding { top, bottom, left, right }, decimal(padding_value(r)?));
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

/// Pads any dimensions with a constant, by joining it to what is padded.
fn joined_to_margins(r: &mut Reading<'_>, x: Activation, around: &[[usize; 2]]) -> Result<Value, NodeError> {
    if let Some(found) = r.node.text("mode")?.filter(|mode| mode != "constant") {
        return Err(NodeError::unsupported("mode", found, "constant, unless an image [N, C, H, W] is padded"));
    }
    let value = padding_value(r)?;
    let mut result = x;
    for (dimension, sides) in around.iter().enumerate() {
        for (side, &pad) in sides.iter().enumerate().filter(|(_, pad)| **pad > 0) {
            let mut shape = result.shape();
            shape[dimension] = pad;
            r.charge(size(&shape))?;
            let margin = Constant::floats(&shape, vec![value; shape.iter().product()]);
            let margin = r.learned(&format!("margin.{dimension}.{side}"), &margin, &result)?;
            let both = if side == 0 { [margin, result] } else { [result, margin] };
            result = along(r, &both, dimension)?;
        }
    }
    Ok(result.into())
}
