//! Constants, and what hands its input on.

use crate::onnx::constant::{Constant, Values};
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::Node;
use crate::onnx::schema::DataType;

/// Identity.
pub(super) fn identity<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    graph.input(node, 0, "input")
}

/// Constant: a tensor, a number, or a list of numbers.
pub(super) fn constant<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    if let Some(tensor) = node.tensor("value")? {
        return Ok(Constant::read(tensor, &graph.external)?.into());
    }
    let (shape, values) = if let Some(value) = node.float("value_float")? {
        (Vec::new(), Values::Floats(vec![value]))
    } else if let Some(values) = node.integers("value_ints")? {
        (vec![values.len()], Values::Integers(values.to_vec()))
    } else if let Some(values) = node.floats("value_floats")? {
        (vec![values.len()], Values::Floats(values.to_vec()))
    } else {
        match node.optional_integer("value_int")? {
            Some(value) => (Vec::new(), Values::Integers(vec![value])),
            None => return Err(NodeError::MissingInput("value (a tensor, or numbers; strings aren't supported)")),
        }
    };
    Ok(Constant { shape, values }.into())
}

/// ConstantOfShape: one value everywhere, 0 unless another is given.
pub(super) fn of_shape<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let shape = graph.integers(node, 0, "shape")?.ok_or(NodeError::MissingInput("shape"))?;
    let unfit = || NodeError::Setting { name: "shape", found: format!("{shape:?}"), supported: "extents from 0" };
    let extents: Vec<usize> =
        shape.iter().map(|&extent| usize::try_from(extent).ok()).collect::<Option<_>>().ok_or_else(unfit)?;
    let constant = Constant { shape: extents, values: Values::Floats(Vec::new()) };
    graph.charge(constant.size())?;
    let elements = constant.shape.iter().product();
    let value = match node.tensor("value")? {
        Some(tensor) => Constant::read(tensor, &graph.external)?.values,
        None => Values::Floats(vec![0.0]),
    };
    if value.len() != 1 {
        return Err(NodeError::MissingInput("value (one number)"));
    }
    Ok(Constant { values: value.pick(std::iter::repeat_n(0, elements)), ..constant }.into())
}

/// Cast. What depends on the picture is floating-point, in whatever precision the model is computed.
pub(super) fn cast<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let to = node.integer("to", 0)?;
    let to_type = i32::try_from(to).ok().and_then(|to| DataType::try_from(to).ok());
    let to_floats = match to_type {
        Some(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16) => true,
        Some(DataType::Int32 | DataType::Int64) => false,
        _ => {
            let supported = "a floating-point type; for constants also 32 or 64 bit integers";
            return Err(NodeError::Setting { name: "to", found: format!("type {to}"), supported });
        }
    };
    match graph.input(node, 0, "input")? {
        Value::Activation(x) if to_floats => Ok(x.into()),
        Value::Activation(_) | Value::Pixels(_) => {
            Err(NodeError::NotConstant { input: "input", name: node.input(0).unwrap_or_default().into() })
        }
        Value::Constant(constant) => {
            graph.charge(constant.values.len())?;
            let values = match to_floats {
                true => Values::Floats(constant.values.to_floats()),
                false => Values::Integers(constant.values.clone().into_integers()),
            };
            Ok(Constant { shape: constant.shape.clone(), values }.into())
        }
    }
}
