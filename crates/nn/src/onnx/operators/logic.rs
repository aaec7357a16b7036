//! Comparisons, and choices by them. A truth value is 1 or 0.

use crate::layers::layer::Layer;
use crate::layers::{LeakyRelu, Mul, Relu, Shift, Step};
use crate::onnx::constant::size;
use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[
    ("And", |r| connected(r, |a, b| a & b)),
    ("Equal", |r| compared(r, |a, b| a == b, |a, b| a == b)),
    ("Greater", |r| ordered(r, Comparison { is_less: false, or_equal: false })),
    ("GreaterOrEqual", |r| ordered(r, Comparison { is_less: false, or_equal: true })),
    ("IsNaN", is_nan),
    ("Less", |r| ordered(r, Comparison { is_less: true, or_equal: false })),
    ("LessOrEqual", |r| ordered(r, Comparison { is_less: true, or_equal: true })),
    ("Not", not),
    ("Or", |r| connected(r, |a, b| a | b)),
    ("Where", choose),
    ("Xor", |r| connected(r, |a, b| a ^ b)),
];

/// Beyond this threshold, a softplus is its argument in single precision.
const LINEAR_FROM: f64 = 17.0;

/// Truth values of two constants, broadcast.
fn compared(
    r: &mut Reading<'_>,
    of_integers: fn(&i64, &i64) -> bool,
    of_floats: fn(&f32, &f32) -> bool,
) -> Result<Value, NodeError> {
    let (a, b) = (r.constant(0, "input A")?, r.constant(1, "input B")?);
    let number = |is_true| f32::from(u8::from(is_true));
    let truth = r.combine(&a, &b, |a, b| Some(of_integers(&a, &b).into()), |a, b| number(of_floats(&a, &b)))?;
    Ok(Constant { values: Values::Integers(truth.values.to_integers()), ..truth }.into())
}

/// AND or OR of constants, or AND of two values that depend on the image: their product.
fn connected(r: &mut Reading<'_>, of: fn(bool, bool) -> bool) -> Result<Value, NodeError> {
    let inputs = r.inputs()?;
    if let ([Value::Activation(a), Value::Activation(b)], false) = (&inputs[..], of(true, false))
        && a.same_axes(b)
    {
        return Ok(a.of(r.layer(Mul, &[a.source, b.source])?).into());
    }
    let (a, b) = (r.constant(0, "input A")?, r.constant(1, "input B")?);
    let of_integers = |a, b| Some(of(a != 0, b != 0).into());
    Ok(r.combine(&a, &b, of_integers, |a, b| f32::from(u8::from(of(a != 0.0, b != 0.0))))?.into())
}

/// a > b, a ≥ b, a < b or a ≤ b.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    is_less: bool,
    or_equal: bool,
}

/// Constants that are compared, or a value that depends on the image with one number.
fn ordered(r: &mut Reading<'_>, comparison: Comparison) -> Result<Value, NodeError> {
    let Comparison { mut is_less, or_equal } = comparison;
    let inputs = r.inputs()?;
    let (x, threshold) = match &inputs[..] {
        [Value::Activation(x), Value::Constant(number)] => (x, number),
        [Value::Constant(number), Value::Activation(x)] => {
            is_less = !is_less;
            (x, number)
        }
        _ => {
            return match (is_less, or_equal) {
                (false, false) => compared(r, i64::gt, f32::gt),
                (false, true) => compared(r, i64::ge, f32::ge),
                (true, false) => compared(r, i64::lt, f32::lt),
                (true, true) => compared(r, i64::le, f32::le),
            };
        }
    };
    let threshold = threshold.scalar().map(decimal).ok_or_else(|| NodeError::shape("one number", &threshold.shape))?;
    // x ≤ t is not x > t; x < t is −x > −t; x ≥ t is not x < t.
    let (source, threshold) =
        if is_less == or_equal { (x.source, threshold) } else { (r.scaled("opposite", x, -1.0)?.source, -threshold) };
    let part = if or_equal { "step" } else { "" };
    let step = x.of(r.add(part, Step { threshold }, &[source], [])?);
    Ok(if or_equal { negated(r, "", &step)?.into() } else { step.into() })
}

/// 1 − x.
fn negated(r: &mut Reading<'_>, part: &str, x: &Activation) -> Result<Activation, NodeError> {
    let minus = r.scaled("minus", x, -1.0)?;
    let one = Weight::new(&[1], vec![1.0]);
    Ok(x.of(r.add(part, Shift { shape: vec![1] }, &[minus.source], [one])?))
}

fn not(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    match r.input(0, "input")? {
        Value::Activation(x) => Ok(negated(r, "", &x)?.into()),
        Value::Constant(x) => {
            r.charge(x.values.len())?;
            let truth = x.to_floats().into_iter().map(|x| i64::from(x == 0.0)).collect();
            Ok(Constant { shape: x.shape.clone(), values: Values::Integers(truth) }.into())
        }
    }
}

/// IsNaN. Exporters ask it of a softmax, whose rows are NaN where a mask leaves nothing; the numbers of our layers are finite.
fn is_nan(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    match r.input(0, "input")? {
        Value::Activation(x) => match r.planned(x.source) {
            Some(Planned { layer: Layer::Softmax(_), .. }) => {
                Ok(Constant { shape: Vec::new(), values: Values::Integers(vec![0]) }.into())
            }
            _ => {
                let found = format_args!("a value that depends on the image");
                Err(NodeError::unsupported("the input", found, "a softmax, or a constant"))
            }
        },
        Value::Constant(x) => {
            r.charge(x.values.len())?;
            let truth = x.to_floats().into_iter().map(|x| i64::from(x.is_nan())).collect();
            Ok(Constant { shape: x.shape.clone(), values: Values::Integers(truth) }.into())
        }
    }
}

/// Where: one value where a condition is true, another elsewhere.
fn choose(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let [condition, yes, no] = [r.input(0, "condition")?, r.input(1, "input X")?, r.input(2, "input Y")?];
    match (condition, yes, no) {
        (Value::Constant(condition), Value::Constant(yes), Value::Constant(no)) => {
            let shape = condition.broadcast(&yes)?;
            let shape = Constant { shape, values: Values::Integers(Vec::new()) }.broadcast(&no)?;
            r.charge(size(&shape).saturating_mul(3))?;
            Ok(condition.chosen(&yes, &no, &shape).into())
        }
        (Value::Constant(condition), yes, no) => {
            // The same everywhere, as where exporters ask for a shape.
            let conditions = condition.to_floats();
            let first = conditions.first().copied().unwrap_or_default() != 0.0;
            let chosen = if first { yes } else { no };
            let is_whole = condition.shape.len() <= r.full_shape(&chosen).len();
            if is_whole && conditions.iter().all(|&condition| (condition != 0.0) == first) {
                return Ok(chosen);
            }
            let found = format_args!("a constant of different values");
            Err(NodeError::unsupported("the condition", found, "a comparison with a number, or one value everywhere"))
        }
        (Value::Activation(condition), yes, no) => chosen(r, &condition, &yes, &no),
    }
}

/// A choice by a comparison of a value that depends on the image.
fn chosen(r: &mut Reading<'_>, condition: &Activation, yes: &Value, no: &Value) -> Result<Value, NodeError> {
    if let Some(value) = activation_function(r, condition, yes, no)? {
        return Ok(value);
    }
    let is_nothing = |value: &Value| value.as_constant().and_then(|constant| constant.scalar()) == Some(0.0);
    match (yes, no) {
        (Value::Activation(yes), no) if is_nothing(no) && yes.same_axes(condition) => {
            Ok(yes.of(r.layer(Mul, &[yes.source, condition.source])?).into())
        }
        (yes, Value::Activation(no)) if is_nothing(yes) && no.same_axes(condition) => {
            let otherwise = negated(r, "otherwise", condition)?;
            Ok(no.of(r.layer(Mul, &[no.source, otherwise.source])?).into())
        }
        _ => {
            let found = format_args!("a choice between two values by one that depends on the image");
            let supported = "an activation function as exporters write it, or a value and 0";
            Err(NodeError::unsupported("the input", found, supported))
        }
    }
}

/// x where it is above a threshold, and elsewhere a function of x that goes on from there: a softplus that overflows nowhere, a
/// ReLU, a leaky ReLU.
fn activation_function(
    r: &mut Reading<'_>,
    condition: &Activation,
    yes: &Value,
    no: &Value,
) -> Result<Option<Value>, NodeError> {
    let Value::Activation(x) = yes else { return Ok(None) };
    let Some(Planned { layer: Layer::Step(Step { threshold }), inputs, .. }) = r.planned(condition.source) else {
        return Ok(None);
    };
    let (threshold, compared) = (*threshold, inputs[0]);
    if !x.same_axes(condition) {
        return Ok(None);
    }
    let other = match no {
        Value::Activation(other) if other.same_axes(x) => other,
        Value::Activation(_) => return Ok(None),
        Value::Constant(number) => {
            let is_relu = threshold == 0.0 && compared == x.source && number.scalar() == Some(0.0);
            return if is_relu { Ok(Some(x.of(r.layer(Relu, &[x.source])?).into())) } else { Ok(None) };
        }
    };
    // ln(1 + e^βx) / β has two more layers unless β is 1.
    let (factor, inner) = r.scaled_by(other.source).unwrap_or((1.0, other.source));
    if let Some(Planned { layer: Layer::Softplus(_), inputs, .. }) = r.planned(inner) {
        let (beta, argument) = r.scaled_by(inputs[0]).filter(|_| inner != other.source).unwrap_or((1.0, inputs[0]));
        let is_of_x = argument == x.source && (compared == inputs[0] || compared == x.source && beta == 1.0);
        let is_whole = (f64::from(beta) * f64::from(factor) - 1.0).abs() < 1e-6;
        return Ok((is_of_x && is_whole && threshold >= LINEAR_FROM).then(|| other.clone().into()));
    }
    let is_leaky = threshold == 0.0 && compared == x.source && inner == x.source && factor >= 0.0;
    if is_leaky && other.source != x.source {
        return Ok(Some(x.of(r.layer(LeakyRelu { slope: decimal(factor) }, &[x.source])?).into()));
    }
    Ok(None)
}
