//! Powers and other functions of single values or constants.

use std::rc::Rc;

use crate::layer::Layer;
use crate::onnx::constant::{Constant, Values};
use crate::onnx::context::{Operator, Reading, Value};
use crate::onnx::error::NodeError;
use crate::onnx::node::decimal;
use crate::onnx::writing::Writing;

pub(crate) const READS: &[(&str, Operator)] = &[
    ("Ceil", |r| of_constant(r, f32::ceil)),
    ("Erf", |r| of_one(r, Layer::Erf, |x| libm::erf(x.into()) as f32)),
    ("Floor", |r| of_constant(r, f32::floor)),
    ("Max", |r| bounded(r, i64::max, f32::max, |bound| Layer::Clip { min: bound, max: f32::MAX.into() })),
    ("Min", |r| bounded(r, i64::min, f32::min, |bound| Layer::Clip { min: f32::MIN.into(), max: bound })),
    ("Neg", neg),
    ("Pow", pow),
    ("Reciprocal", |r| of_one(r, Layer::Power { exponent: -1.0 }, f32::recip)),
    ("Sqrt", |r| of_one(r, Layer::Power { exponent: 0.5 }, f32::sqrt)),
];

fn of_one(r: &mut Reading<'_>, layer: Layer, f: fn(f32) -> f32) -> Result<Value, NodeError> {
    match r.input(0, "input")? {
        Value::Constant(_) => of_constant(r, f),
        Value::Activation(_) => r.in_place(layer),
    }
}

fn of_constant(r: &mut Reading<'_>, f: fn(f32) -> f32) -> Result<Value, NodeError> {
    let x = r.constant(0, "input")?;
    r.charge(x.values.len())?;
    Ok(Constant::floats(&x.shape, x.to_floats().into_iter().map(f).collect()).into())
}

fn neg(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    match r.input(0, "input")? {
        Value::Constant(x) => {
            let zero = Constant { shape: Vec::new(), values: Values::Integers(vec![0]) };
            Ok(r.combine(&zero, &x, i64::checked_sub, |a, b| a - b)?.into())
        }
        Value::Activation(x) => Ok(r.scaled("", &x, -1.0)?.into()),
    }
}

/// A power with a constant exponent.
fn pow(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let exponent = r.constant(1, "exponent")?;
    match r.input(0, "base")? {
        Value::Constant(base) => {
            let of_integers = |a: i64, b| a.checked_pow(u32::try_from(b).ok()?);
            Ok(r.combine(&base, &exponent, of_integers, f32::powf)?.into())
        }
        Value::Activation(_) => match exponent.scalar() {
            Some(exponent) => r.in_place(Layer::Power { exponent: decimal(exponent) }),
            None => Err(NodeError::shape("one exponent", &exponent.shape)),
        },
    }
}

pub(crate) fn write_power(w: &mut Writing<'_>, exponent: f64) {
    let exponent = w.number("exponent", exponent);
    w.node("Pow", &[w.inputs()[0], &exponent], []);
}

/// The maximum or minimum of constants, or of a value that depends on the image and one number.
fn bounded(
    r: &mut Reading<'_>,
    of_integers: fn(i64, i64) -> i64,
    of_floats: fn(f32, f32) -> f32,
    layer: fn(f64) -> Layer,
) -> Result<Value, NodeError> {
    let inputs = r.inputs()?;
    if let [Value::Activation(x), Value::Constant(bound)] | [Value::Constant(bound), Value::Activation(x)] = &inputs[..]
        && let Some(bound) = bound.scalar().filter(|bound| bound.is_finite())
    {
        return Ok(x.of(r.layer(layer(decimal(bound)), &[x.source])?).into());
    }
    let constants: Option<Vec<Rc<Constant>>> = inputs.iter().map(Value::as_constant).collect();
    let constants = constants.ok_or_else(|| {
        let found = format_args!("values that depend on the image");
        NodeError::unsupported("the input", found, "constants, or one value that depends on the image and one number")
    })?;
    let (first, rest) = constants.split_first().ok_or(NodeError::MissingInput("input"))?;
    let mut result = (**first).clone();
    for constant in rest {
        result = r.combine(&result, constant, |a, b| Some(of_integers(a, b)), of_floats)?;
    }
    Ok(result.into())
}
