//! Powers and other functions of single numbers, of constants as well.

use super::activation::scaled;
use crate::layer::Layer;
use crate::onnx::constant::{Constant, Values};
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, decimal};

pub(super) fn sqrt<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    of_one(node, graph, Layer::Power { exponent: 0.5 }, f32::sqrt)
}

pub(super) fn reciprocal<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    of_one(node, graph, Layer::Power { exponent: -1.0 }, f32::recip)
}

pub(super) fn erf<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    of_one(node, graph, Layer::Erf, |x| libm::erf(x.into()) as f32)
}

/// Pow: of what depends on the picture by a constant exponent.
pub(super) fn pow<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let exponent = graph.constant(node, 1, "exponent")?;
    match graph.input(node, 0, "base")? {
        Value::Constant(base) => {
            graph.charge(base.broadcast_len(&exponent)?)?;
            let of_integers = |a: i64, b| a.checked_pow(u32::try_from(b).ok()?);
            Ok(base.combined(&exponent, of_integers, f32::powf)?.into())
        }
        Value::Activation(_) | Value::Pixels(_) => match exponent.scalar() {
            Some(exponent) => graph.in_place(node, Layer::Power { exponent: decimal(exponent) }),
            None => Err(NodeError::Shape { expected: "one exponent".into(), found: exponent.shape.clone() }),
        },
    }
}

pub(super) fn neg<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    match graph.input(node, 0, "input")? {
        Value::Constant(x) => {
            graph.charge(x.values.len())?;
            let zero = Constant { shape: Vec::new(), values: Values::Integers(vec![0]) };
            Ok(zero.combined(&x, i64::checked_sub, |a, b| a - b)?.into())
        }
        Value::Activation(x) => Ok(scaled(graph, &x, node.name(), -1.0)?.into()),
        Value::Pixels(_) => Err(NodeError::Batch),
    }
}

/// Ceil, of constants: sizes that exporters compute.
pub(super) fn ceil<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    of_constant(node, graph, f32::ceil)
}

/// Floor, of constants.
pub(super) fn floor<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    of_constant(node, graph, f32::floor)
}

fn of_one<'a>(node: &Node<'a>, graph: &mut Graph<'a>, layer: Layer, f: fn(f32) -> f32) -> Result<Value, NodeError> {
    match graph.input(node, 0, "input")? {
        Value::Constant(_) => of_constant(node, graph, f),
        Value::Activation(_) | Value::Pixels(_) => graph.in_place(node, layer),
    }
}

fn of_constant<'a>(node: &Node<'a>, graph: &mut Graph<'a>, f: fn(f32) -> f32) -> Result<Value, NodeError> {
    let x = graph.constant(node, 0, "input")?;
    graph.charge(x.values.len())?;
    let values = Values::Floats(x.to_floats().into_iter().map(f).collect());
    Ok(Constant { shape: x.shape.clone(), values }.into())
}

/// Max.
pub(super) fn max<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    bounded(node, graph, i64::max, f32::max, |bound| Layer::Clip { min: bound, max: f32::MAX.into() })
}

/// Min.
pub(super) fn min<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    bounded(node, graph, i64::min, f32::min, |bound| Layer::Clip { min: f32::MIN.into(), max: bound })
}

/// Of constants, or of a value that depends on the picture and one number.
fn bounded<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    of_integers: fn(i64, i64) -> i64,
    of_floats: fn(f32, f32) -> f32,
    layer: impl Fn(f64) -> Layer,
) -> Result<Value, NodeError> {
    let inputs: Vec<Value> =
        (0..node.proto.input.len()).map(|place| graph.input(node, place, "input")).collect::<Result<_, _>>()?;
    if let [Value::Activation(x), Value::Constant(bound)] | [Value::Constant(bound), Value::Activation(x)] = &inputs[..]
        && let Some(bound) = bound.scalar().filter(|bound| bound.is_finite())
    {
        return Ok(x.of(graph.network.add(node.name(), layer(decimal(bound)), &[x.source], Vec::new())?).into());
    }
    let constants: Option<Vec<_>> = inputs.iter().map(Value::as_constant).collect();
    let supported = || NodeError::Setting {
        name: "the inputs",
        found: "values that depend on the picture".into(),
        supported: "constants, or one value that depends on the picture and one number",
    };
    let constants = constants.ok_or_else(supported)?;
    let (first, rest) = constants.split_first().ok_or(NodeError::MissingInput("input"))?;
    let mut result = (**first).clone();
    for constant in rest {
        graph.charge(result.broadcast_len(constant)?)?;
        result = result.combined(constant, |a, b| Some(of_integers(a, b)), of_floats)?;
    }
    Ok(result.into())
}
