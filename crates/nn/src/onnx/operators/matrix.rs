//! Products with constant matrices: fully connected layers.

use crate::geometry::Conv2d;
use crate::layer::Layer;
use crate::layout::permuted;
use crate::onnx::activation::Activation;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
use crate::onnx::node::Node;

/// Gemm: alpha·x·B + beta·C.
pub(super) fn gemm<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    node.only("transA", 0, "0: rows are images")?;
    let x = graph.input(node, 0, "input A")?;
    let matrix = graph.constant(node, 1, "weight B")?;
    let (mut inputs, mut outputs) = matrix_shape(&matrix.shape)?;
    let mut weight = matrix.to_floats();
    if node.integer("transB", 0)? != 0 {
        weight = permuted(&weight, &[inputs, outputs], &[1, 0]);
        (inputs, outputs) = (outputs, inputs);
    }
    scale(&mut weight, node.float("alpha")?);
    let bias = match graph.optional_constant(node, 2, "bias C")? {
        None => None,
        Some(constant) => {
            let values = constant.to_floats();
            let is_row = constant.shape.split_last().is_none_or(|(_, rest)| rest.iter().all(|&extent| extent == 1));
            let mut values = match (is_row, values.len()) {
                (true, 1) => vec![values[0]; outputs],
                (true, n) if n == outputs => values,
                _ => {
                    let expected = format!("a bias C [{outputs}]");
                    return Err(NodeError::Shape { expected, found: constant.shape.clone() });
                }
            };
            scale(&mut values, node.float("beta")?);
            Some(values)
        }
    };
    match x {
        Value::Pixels(x) => Ok(Value::Pixels(of_pixels(node, graph, &x, weight, [inputs, outputs], bias)?)),
        _ => {
            let x = graph.activation(node, 0, "input A")?;
            linear(node, graph, x, weight, [inputs, outputs], bias)
        }
    }
}

/// MatMul by a constant `[in, out]`; where it multiplies the channels of a picture, a convolution of one pixel.
pub(super) fn matmul<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input A")?;
    let matrix = graph.constant(node, 1, "weight B")?;
    let (inputs, outputs) = matrix_shape(&matrix.shape)?;
    let weight = matrix.to_floats();
    if let Value::Pixels(x) = x {
        return Ok(Value::Pixels(of_pixels(node, graph, &x, weight, [inputs, outputs], None)?));
    }
    let x = graph.activation(node, 0, "input A")?;
    if x.shape().len() == 1 {
        return linear(node, graph, x, weight, [inputs, outputs], None);
    }
    Ok(of_pixels(node, graph, &x, weight, [inputs, outputs], None)?.into())
}

/// A convolution of one pixel, where ONNX sees the channels last.
fn of_pixels<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    x: &Activation,
    weight: Vec<f32>,
    [inputs, outputs]: [usize; 2],
    bias: Option<Vec<f32>>,
) -> Result<Activation, NodeError> {
    let last = x.shape().len().saturating_sub(1);
    let result = x.joined(last, outputs, x.source).filter(|_| x.is_image_in_any_order());
    let result = result.ok_or_else(|| {
        let expected = "a row [N, in], or a picture whose last dimension is its channels (N left out)".into();
        NodeError::Shape { expected, found: x.shape() }
    })?;
    let conv = Conv2d::default();
    let layer = Layer::Conv2d { out_channels: outputs, kernel: [1, 1], conv, bias: bias.is_some() };
    let weight = Weight::new(&[1, 1, inputs, outputs], weight);
    let bias = bias.map(|values| Weight::new(&[outputs], values));
    let weights = [Some(weight), bias].into_iter().flatten().collect();
    Ok(result.of(graph.network.add(node.name(), layer, &[x.source], weights)?))
}

fn matrix_shape(shape: &[usize]) -> Result<(usize, usize), NodeError> {
    match *shape {
        [rows, columns] => Ok((rows, columns)),
        _ => Err(NodeError::Shape { expected: "a weight B of two dimensions".into(), found: shape.to_vec() }),
    }
}

fn scale(values: &mut [f32], factor: Option<f32>) {
    if let Some(factor) = factor.filter(|&factor| factor != 1.0) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
}

fn linear<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    x: Activation,
    weight: Vec<f32>,
    [inputs, outputs]: [usize; 2],
    bias: Option<Vec<f32>>,
) -> Result<Value, NodeError> {
    if x.shape() != [inputs] {
        return Err(NodeError::Shape { expected: format!("a row [{inputs}] (N left out)"), found: x.shape() });
    }
    let x = graph.settled(node, x)?;
    let weight = Weight::new(&[inputs, outputs], x.arrange_rows(&weight, outputs));
    let layer = Layer::Linear { out_features: outputs, bias: bias.is_some() };
    let bias = bias.map(|values| Weight::new(&[outputs], values));
    let source =
        graph.network.add(node.name(), layer, &[x.source], [Some(weight), bias].into_iter().flatten().collect())?;
    Ok(Activation::row(source, outputs, 1).into())
}
