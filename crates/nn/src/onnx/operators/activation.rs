//! Functions of one value.

use crate::layer::Layer;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, decimal, index};

pub(super) fn relu<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    graph.in_place(node, Layer::Relu)
}

pub(super) fn sigmoid<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    graph.in_place(node, Layer::Sigmoid)
}

pub(super) fn tanh<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    graph.in_place(node, Layer::Tanh)
}

/// HardSigmoid: alpha·x + beta, held between 0 and 1.
pub(super) fn hard_sigmoid<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let slope = decimal(node.float("alpha")?.unwrap_or(0.2));
    let offset = decimal(node.float("beta")?.unwrap_or(0.5));
    graph.in_place(node, Layer::HardSigmoid { slope, offset })
}

/// HardSwish: x times its hard sigmoid of slope 1/6 and offset 1/2.
pub(super) fn hard_swish<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let gate = Layer::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 };
    let gate = graph.network.add(&format!("{}.gate", node.name()), gate, &[x.source], Vec::new())?;
    let source = graph.network.add(node.name(), Layer::Mul, &[x.source, gate], Vec::new())?;
    Ok(x.of(source).into())
}

/// Elu.
pub(super) fn elu<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let alpha = decimal(node.float("alpha")?.unwrap_or(1.0));
    graph.in_place(node, Layer::Elu { alpha })
}

/// Gelu, exact or approximated.
pub(super) fn gelu<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let tanh = match node.text("approximate")?.as_deref() {
        None | Some("none" | "") => false,
        Some("tanh") => true,
        Some(found) => {
            return Err(NodeError::Setting { name: "approximate", found: found.into(), supported: "none, tanh" });
        }
    };
    graph.in_place(node, Layer::Gelu { tanh })
}

pub(super) fn softplus<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    graph.in_place(node, Layer::Softplus)
}

/// LeakyRelu.
pub(super) fn leaky_relu<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let slope = decimal(node.float("alpha")?.unwrap_or(0.01));
    graph.in_place(node, Layer::LeakyRelu { slope })
}

/// Clip, its bounds inputs or attributes; a bound that isn't there is the largest finite number.
pub(super) fn clip<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let mut bound = |place, name, missing: f32| -> Result<f64, NodeError> {
        let given = match graph.optional_constant(node, place, name)? {
            Some(constant) => constant.scalar(),
            None => node.float(name)?,
        };
        match given.unwrap_or(missing) {
            bound if bound.is_nan() => {
                Err(NodeError::Setting { name, found: bound.to_string(), supported: "a number" })
            }
            bound => Ok(decimal(bound.clamp(f32::MIN, f32::MAX))),
        }
    };
    let (min, max) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
    graph.in_place(node, Layer::Clip { min, max })
}

/// Softmax over channels, as attention has it; one at the end never comes to be read.
pub(super) fn softmax<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let extents = x.shape();
    // Before version 13 it is over all dimensions from one on.
    let is_joint = graph.opset < 13;
    let axis = node.integer("axis", if is_joint { 1 } else { -1 })?;
    let dimension = index(axis, extents.len() + 1).and_then(|dimension| dimension.checked_sub(1));
    let is_over_channels = |&dimension: &usize| {
        x.is_channels(dimension) && !(is_joint && extents[dimension + 1..].iter().any(|&extent| extent != 1))
    };
    match dimension.filter(is_over_channels) {
        Some(_) => graph.in_place(node, Layer::Softmax),
        None => {
            let supported = "channels, or the classes at the end, where it is left out: the scores are what enters it";
            Err(NodeError::Setting { name: "axis", found: axis.to_string(), supported })
        }
    }
}

/// LogSoftmax: one at the end never comes to be read.
pub(super) fn log_softmax<'a>(_: &Node<'a>, _: &mut Graph<'a>) -> Result<Value, NodeError> {
    let found = "not at the end, or not over the classes".into();
    let supported = "over the classes, at the end, where it is left out: the scores are what enters it";
    Err(NodeError::Setting { name: "its place", found, supported })
}
