//! Constants, and operators that return their input.

use crate::onnx::constant::size;
use crate::onnx::prelude::*;
use crate::onnx::schema::DataType;

pub(crate) const READS: Reads = &[
    ("Cast", cast),
    ("CastLike", cast_like),
    ("Constant", constant),
    ("ConstantOfShape", of_shape),
    ("EyeLike", eye_like),
    ("Identity", |r| r.input(0, "input")),
    ("Range", range),
];

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

/// EyeLike: a matrix of the input's shape with ones on a diagonal, the k-th above the main one.
fn eye_like(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let shape = r.full_shape(&x);
    let &[rows, columns] = &shape[..] else { return Err(NodeError::shape("a matrix", &shape)) };
    let above = r.node.integer("k", 0)?;
    let is_of_integers = match r.node.optional_integer("dtype")? {
        Some(to) => !target(to)?.0,
        None => x.as_constant().is_some_and(|x| x.as_integers().is_some()),
    };
    r.charge(size(&shape))?;
    let place = |at: usize| i64::from((at % columns) as i64 - (at / columns) as i64 == above);
    let values = Values::Integers((0..rows * columns).map(place).collect());
    let values = if is_of_integers { values } else { Values::Floats(values.to_floats()) };
    Ok(Constant { shape, values }.into())
}

/// Whether the numbers of a type are floating-point, and whether they are truth values.
fn target(to: i64) -> Result<(bool, bool), NodeError> {
    match i32::try_from(to).ok().and_then(|to| DataType::try_from(to).ok()) {
        Some(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16) => Ok((true, false)),
        Some(DataType::Int32 | DataType::Int64) => Ok((false, false)),
        Some(DataType::Bool) => Ok((false, true)),
        _ => {
            let supported = "a floating-point type; for constants also 32 or 64 bit integers and bool";
            Err(NodeError::unsupported("to", format_args!("type {to}"), supported))
        }
    }
}

/// Cast. A value that depends on the image is floating-point, in the model's precision.
fn cast(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (to_floats, to_truth) = target(r.node.integer("to", 0)?)?;
    if to_truth {
        let x = r.constant(0, "input")?;
        r.charge(x.values.len())?;
        let truth = x.to_floats().into_iter().map(|value| i64::from(value != 0.0)).collect();
        return Ok(Constant { shape: x.shape.clone(), values: Values::Integers(truth) }.into());
    }
    converted(r, to_floats)
}

/// CastLike: as the second input, a value that depends on the image or a constant.
fn cast_like(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let to_floats = r.input(1, "target")?.as_constant().is_none_or(|target| target.as_integers().is_none());
    converted(r, to_floats)
}

/// The first input as floating-point numbers, which a value that depends on the image is, or as integers.
fn converted(r: &mut Reading<'_>, to_floats: bool) -> Result<Value, NodeError> {
    if let (Value::Activation(x), true) = (r.input(0, "input")?, to_floats) {
        return Ok(x.into());
    }
    let x = r.constant(0, "input")?;
    r.charge(x.values.len())?;
    let values = if to_floats { Values::Floats(x.to_floats()) } else { Values::Integers(x.values.to_integers()) };
    Ok(Constant { shape: x.shape.clone(), values }.into())
}

/// Range: numbers from a start up to a limit, which isn't among them.
fn range(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let [start, limit, delta] =
        [r.constant(0, "start")?, r.constant(1, "limit")?, r.constant(2, "delta")?].map(|bound| bound.values.clone());
    let misfit = || NodeError::unsupported("delta", &delta, "one number, as start and limit are, and not 0");
    if let (Values::Integers(start), Values::Integers(limit), Values::Integers(delta)) = (&start, &limit, &delta) {
        let (&[start], &[limit], &[delta @ (..=-1 | 1..)]) = (&start[..], &limit[..], &delta[..]) else {
            return Err(misfit());
        };
        let distance = if delta > 0 { limit.checked_sub(start) } else { start.checked_sub(limit) };
        let count = (distance.ok_or(NodeError::Overflow)?.max(0) as u64).div_ceil(delta.unsigned_abs()) as usize;
        r.charge(count)?;
        return Ok(Constant::integers((0..count as i64).map(|i| start + i * delta).collect()).into());
    }
    let [start, limit, delta] = [&start, &limit, &delta].map(Values::to_floats);
    let (&[start], &[limit], &[delta]) = (&start[..], &limit[..], &delta[..]) else { return Err(misfit()) };
    let count = ((limit - start) / delta).ceil().max(0.0);
    if delta == 0.0 || !count.is_finite() {
        return Err(misfit());
    }
    r.charge(count as usize)?;
    Ok(Constant::floats(&[count as usize], (0..count as usize).map(|i| start + i as f32 * delta).collect()).into())
}
