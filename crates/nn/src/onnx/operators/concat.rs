//! Joining along the channels of values that depend on the image, or along any dimension of constants.

use std::rc::Rc;

use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::constant::{Constant, Values};
use crate::onnx::context::{Operator, Reading, Value};
use crate::onnx::error::NodeError;
use crate::onnx::node::resolve;

pub(crate) const READS: &[(&str, Operator)] = &[("Concat", concat)];

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
    let outputs = outputs.filter(|outputs| outputs.iter().all(|x| x.same_axes(&outputs[0])));
    let outputs = outputs.ok_or_else(|| unsupported("the channels of inputs with the same axes"))?;
    let sources: Vec<_> = inputs.iter().map(|x| x.source).collect();
    Ok(outputs[0].of(r.layer(Layer::Concat, &sources)?).into())
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
