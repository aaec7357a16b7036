//! Functions of one value.

use crate::layer::Layer;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, decimal};

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

/// Softmax and LogSoftmax: at the end they never come to be read.
pub(super) fn softmax<'a>(_: &Node<'a>, _: &mut Graph<'a>) -> Result<Value, NodeError> {
    let found = "not at the end, or not over the classes".into();
    let supported = "over the classes, at the end, where it is left out: the scores are what enters it";
    Err(NodeError::Setting { name: "its place", found, supported })
}
