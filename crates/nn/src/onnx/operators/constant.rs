//! Constants, and operators that return their input.

use crate::onnx::constant::size;
use crate::onnx::prelude::*;
use crate::onnx::schema::DataType;

pub(crate) const READS: Reads =
    &[("Cast", cast), ("Constant", constant), ("ConstantOfShape", of_shape), ("Identity", |r| r.input(0, "input"))];

/// A tensor, a number, or a list of numbers.
fn constant(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    if let Some(tensor) = r.tensor("value")? {
        return Ok(tensor.into());
    }
    let constant = if let Some(value) = r.node.float("value_float")? {
        Constant::floats(&[], vec![value])
    } else if let Some(values) = r.node.floats("value_floats")? {
        Constant::floats(&[values.len()], values.to_vec())
    } else if let Some(values) = r.node.integers("value_ints")? {
        Constant::integers(values.to_vec())
    } else if let Some(value) = r.node.optional_integer("value_int")? {
        Constant { shape: Vec::new(), values: Values::Integers(vec![value]) }
    } else {
        return Err(NodeError::MissingInput("value (a tensor, or numbers; strings aren't supported)"));
    };
    Ok(constant.into())
}

/// ConstantOfShape: one value everywhere, 0 by default.
fn of_shape(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let shape = r.integers(0, "shape")?.ok_or(NodeError::MissingInput("shape"))?;
    let extents: Option<Vec<usize>> = shape.iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let extents = extents.ok_or_else(|| NodeError::unsupported("shape", &shape, "extents from 0"))?;
    r.charge(size(&extents))?;
    let elements = extents.iter().product();
    let value = r.tensor("value")?.map_or(Values::Floats(vec![0.0]), |tensor| tensor.values);
    if value.len() != 1 {
        return Err(NodeError::MissingInput("value (one number)"));
    }
    Ok(Constant { shape: extents, values: value.pick(std::iter::repeat_n(0, elements)) }.into())
}

/// Cast. A value that depends on the image is floating-point, in the model's precision.
fn cast(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let to = r.node.integer("to", 0)?;
    let to_floats = match i32::try_from(to).ok().and_then(|to| DataType::try_from(to).ok()) {
        Some(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16) => true,
        Some(DataType::Int32 | DataType::Int64) => false,
        _ => {
            let supported = "a floating-point type; for constants also 32 or 64 bit integers";
            return Err(NodeError::unsupported("to", format_args!("type {to}"), supported));
        }
    };
    if let (Value::Activation(x), true) = (r.input(0, "input")?, to_floats) {
        return Ok(x.into());
    }
    let x = r.constant(0, "input")?;
    r.charge(x.values.len())?;
    let values = if to_floats { Values::Floats(x.to_floats()) } else { Values::Integers(x.values.to_integers()) };
    Ok(Constant { shape: x.shape.clone(), values }.into())
}
