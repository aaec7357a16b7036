//! Batch normalisation, and dropout.

use crate::layer::Layer;
use crate::onnx::constant::{Constant, Values};
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
use crate::onnx::node::{Node, decimal};

/// BatchNormalization, with its running statistics.
pub(super) fn batch_norm<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    node.only("spatial", 1, "1: statistics of a channel, over all positions")?;
    if let Value::Constant(x) = graph.input(node, 0, "input")? {
        return Ok(of_weights(node, graph, &x)?.into());
    }
    node.only("training_mode", 0, "0 (training is up to whoever trains the model)")?;
    let x = graph.activation(node, 0, "input")?;
    let shape = x.layer_shape();
    let channels = shape[shape.len() - 1];
    let mut weights = Vec::with_capacity(4);
    for (place, what) in (1..).zip(["scale", "bias", "mean", "variance"]) {
        let constant = graph.constant(node, place, what)?;
        // Along the second of ONNX's dimensions.
        let mut along = vec![1; x.shape().len()];
        along[0] = constant.values.len();
        let (shape, values) = x.arrange(&Constant { shape: along, values: constant.values.clone() })?;
        if shape != [channels] {
            return Err(NodeError::Shape { expected: format!("a {what} [{channels}]"), found: constant.shape.clone() });
        }
        weights.push(Weight::new(&[channels], values));
    }
    let epsilon = node.float("epsilon")?.map_or(1e-5, decimal);
    // ONNX gives the share of the old statistics.
    let momentum = decimal((1.0 - node.float("momentum")?.map_or(0.9, decimal)) as f32);
    let source = graph.network.add(node.name(), Layer::BatchNorm { epsilon, momentum }, &[x.source], weights)?;
    Ok(x.of(source).into())
}

/// Of weights `[1, Cout, …]`, which are standardised before they are used (Qiao et al. 2019), each output's by their own mean and
/// variance: a batch norm in training.
fn of_weights<'a>(node: &Node<'a>, graph: &mut Graph<'a>, x: &Constant) -> Result<Constant, NodeError> {
    let &[1, channels, ..] = &x.shape[..] else {
        return Err(NodeError::Shape { expected: "weights [1, C, …]".into(), found: x.shape.clone() });
    };
    if node.integer("training_mode", 0)? != 1 {
        let supported = "1, of weights alone";
        return Err(NodeError::Setting { name: "training_mode", found: "0".into(), supported });
    }
    graph.charge(x.values.len())?;
    let [scale, bias] = [(1, "scale"), (2, "bias")].map(|(place, what)| graph.constant(node, place, what));
    let (scale, bias) = (scale?.to_floats(), bias?.to_floats());
    if scale.len() != channels || bias.len() != channels {
        let expected = format!("a scale and a bias [{channels}]");
        return Err(NodeError::Shape { expected, found: vec![scale.len(), bias.len()] });
    }
    let epsilon = node.float("epsilon")?.map_or(1e-5, decimal);
    let values = x.to_floats();
    let each = (values.len() / channels.max(1)).max(1);
    let standardized = values.chunks_exact(each).zip(scale.iter().zip(&bias)).flat_map(|(values, (&scale, &bias))| {
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / each as f64;
        let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / each as f64;
        let factor = f64::from(scale) / (variance + epsilon).sqrt();
        values.iter().map(move |&x| ((f64::from(x) - mean) * factor + f64::from(bias)) as f32)
    });
    Ok(Constant { shape: x.shape.clone(), values: Values::Floats(standardized.collect()) })
}

/// Dropout, which does nothing until the model is trained.
pub(super) fn dropout<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let given = graph.optional_constant(node, 1, "ratio")?.and_then(|ratio| ratio.scalar());
    let probability = given.or(node.float("ratio")?).map_or(0.5, decimal);
    graph.in_place(node, Layer::Dropout { probability })
}
