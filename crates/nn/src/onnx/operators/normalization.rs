//! Batch normalisation, and dropout.

use crate::layer::Layer;
use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
use crate::onnx::node::{Node, decimal};

/// BatchNormalization, with its running statistics.
pub(super) fn batch_norm<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    node.only("training_mode", 0, "0 (training is up to whoever trains the model)")?;
    node.only("spatial", 1, "1: statistics of a channel, over all positions")?;
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

/// Dropout, which does nothing until the model is trained.
pub(super) fn dropout<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let given = graph.optional_constant(node, 1, "ratio")?.and_then(|ratio| ratio.scalar());
    let probability = given.or(node.float("ratio")?).map_or(0.5, decimal);
    graph.in_place(node, Layer::Dropout { probability })
}
