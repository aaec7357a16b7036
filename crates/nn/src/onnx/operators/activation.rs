//! Functions of one value.

use std::rc::Rc;

use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
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

/// PRelu, its slopes those of channels or one for all.
pub(super) fn prelu<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let slopes = graph.constant(node, 1, "slope")?;
    let channels = x.layer_shape()[x.layer_shape().len() - 1];
    let weight = match x.arrange(&slopes)? {
        (_, values) if values.len() == 1 => Weight::new(&[channels], vec![values[0]; channels]),
        (shape, values) if shape == [channels] => Weight { shape, values },
        _ => {
            let expected = format!("slopes [{channels}], one for each channel");
            return Err(NodeError::Shape { expected, found: slopes.shape.clone() });
        }
    };
    Ok(x.of(graph.network.add(node.name(), Layer::PRelu, &[x.source], vec![weight])?).into())
}

/// Selu: gamma times an Elu.
pub(super) fn selu<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let alpha = decimal(node.float("alpha")?.unwrap_or(1.673_263_2));
    let gamma = node.float("gamma")?.unwrap_or(1.050_701);
    let source = graph.network.add(&format!("{}.elu", node.name()), Layer::Elu { alpha }, &[x.source], Vec::new())?;
    Ok(scaled(graph, &x.of(source), node.name(), gamma)?.into())
}

/// Celu: alpha times the Elu of x / alpha.
pub(super) fn celu<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let alpha = node.float("alpha")?.unwrap_or(1.0);
    if alpha == 1.0 {
        return graph.in_place(node, Layer::Elu { alpha: 1.0 });
    }
    let part = |what| format!("{}.{what}", node.name());
    let inner = scaled(graph, &x, &part("inner"), alpha.recip())?;
    let source = graph.network.add(&part("elu"), Layer::Elu { alpha: 1.0 }, &[inner.source], Vec::new())?;
    Ok(scaled(graph, &x.of(source), node.name(), alpha)?.into())
}

/// Mish: x·tanh(softplus(x)).
pub(super) fn mish<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.activation(node, 0, "input")?;
    let part = |what| format!("{}.{what}", node.name());
    let softplus = graph.network.add(&part("softplus"), Layer::Softplus, &[x.source], Vec::new())?;
    let gate = graph.network.add(&part("gate"), Layer::Tanh, &[softplus], Vec::new())?;
    Ok(x.of(graph.network.add(node.name(), Layer::Mul, &[x.source, gate], Vec::new())?).into())
}

/// Times one number.
pub(super) fn scaled(graph: &mut Graph<'_>, x: &Activation, name: &str, factor: f32) -> Result<Activation, NodeError> {
    let (layer, weight) = (Layer::Scale { shape: vec![1] }, Weight::new(&[1], vec![factor]));
    Ok(x.of(graph.network.add(name, layer, &[x.source], vec![weight])?))
}

/// Clip, its bounds inputs or attributes; a bound that isn't there is the largest finite number.
pub(super) fn clip<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let bounds = [graph.optional_constant(node, 1, "min")?, graph.optional_constant(node, 2, "max")?];
    if let Value::Constant(x) = graph.input(node, 0, "input")? {
        graph.charge(x.values.len())?;
        let [min, max] = bounds;
        let above = min.map_or(Ok((*x).clone()), |min| x.combined(&min, |a, b| Some(a.max(b)), f32::max))?;
        return Ok(max.map_or(Ok(above.clone()), |max| above.combined(&max, |a, b| Some(a.min(b)), f32::min))?.into());
    }
    let bound = |given: &Option<Rc<Constant>>, name, missing: f32| -> Result<f64, NodeError> {
        let given = match given {
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
    let (min, max) = (bound(&bounds[0], "min", f32::MIN)?, bound(&bounds[1], "max", f32::MAX)?);
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
