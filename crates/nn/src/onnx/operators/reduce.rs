//! Means, sums, maxima and lengths over dimensions.

use ndarray::{ArrayD, Axis};

use super::activation::scaled;
use crate::geometry::Padding;
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::constant::{Constant, Values};
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index};
use crate::pool2d::Pool2d;

/// What is made of the values along the dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    Mean,
    Sum,
    Max,
    /// Σ x².
    Squares,
    /// √Σ x².
    Length,
}

pub(super) fn mean<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    reduce(node, graph, Reduction::Mean)
}

pub(super) fn sum<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    reduce(node, graph, Reduction::Sum)
}

pub(super) fn max<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    reduce(node, graph, Reduction::Max)
}

/// ReduceSumSquare.
pub(super) fn squares<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    reduce(node, graph, Reduction::Squares)
}

/// ReduceL2.
pub(super) fn length<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    reduce(node, graph, Reduction::Length)
}

fn reduce<'a>(node: &Node<'a>, graph: &mut Graph<'a>, reduction: Reduction) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let axes = graph.integers(node, 1, "axes")?.unwrap_or_default();
    if axes.is_empty() {
        node.only("noop_with_empty_axes", 0, "0")?;
    }
    let kept = node.integer("keepdims", 1)? != 0;
    let unsupported = |supported| NodeError::Setting { name: "axes", found: format!("{axes:?}"), supported };
    let of = |rank: usize| -> Result<Vec<usize>, NodeError> {
        let every = || (0..rank as i64).collect();
        let axes = if axes.is_empty() { every() } else { axes.clone() };
        let axes: Option<Vec<usize>> = axes.iter().map(|&axis| index(axis, rank)).collect();
        axes.ok_or_else(|| unsupported("dimensions of the input"))
    };
    match x {
        Value::Constant(constant) => {
            graph.charge(constant.size())?;
            let over = of(constant.shape.len())?;
            if constant.as_integers().is_some() && over.iter().any(|&axis| constant.shape[axis] == 0) {
                return Err(unsupported("dimensions that have elements"));
            }
            Ok(of_constant(&constant, &over, kept, reduction).into())
        }
        Value::Pixels(_) => Err(NodeError::Batch),
        Value::Activation(x) => {
            let rank = x.shape().len();
            let over: Option<Vec<usize>> = of(rank + 1)?.iter().map(|axis| axis.checked_sub(1)).collect();
            let over = over.ok_or(NodeError::Batch)?;
            let result = of_activation(node, graph, &x, &over, reduction)?;
            let result =
                result.ok_or_else(|| unsupported("height, width and channels of a picture, or a row's elements"))?;
            let rest: Vec<usize> =
                result.shape().into_iter().enumerate().filter(|(d, _)| !over.contains(d)).map(|(_, e)| e).collect();
            let shape = if kept { result.shape() } else { rest };
            Ok(graph.settled(node, result.reshaped(&shape)?)?.into())
        }
    }
}

/// With extent 1 in these of ONNX's dimensions; `None` where they are others than whole ones of ours.
fn of_activation<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    x: &Activation,
    over: &[usize],
    reduction: Reduction,
) -> Result<Option<Activation>, NodeError> {
    let Some(ours) = x.whole_axes(over) else { return Ok(None) };
    let terms: usize = over.iter().map(|&dimension| x.shape()[dimension]).product();
    let part = |what: &str| format!("{}.{what}", node.name());
    let mut x = x.clone();
    let power = |graph: &mut Graph<'a>, x: &Activation, name: &str, exponent| -> Result<Activation, NodeError> {
        Ok(x.of(graph.network.add(name, Layer::Power { exponent }, &[x.source], Vec::new())?))
    };
    if matches!(reduction, Reduction::Squares | Reduction::Length) {
        x = power(graph, &x, &part("squares"), 2.0)?;
    }
    // The mean or the maximum, over positions and then over channels.
    let of_sum = !matches!(reduction, Reduction::Mean | Reduction::Max);
    let name = if of_sum { part("mean") } else { node.name().to_string() };
    let channels = x.layer_shape().len() - 1;
    let (spatial, over_channels): (Vec<usize>, Vec<usize>) = ours.iter().partition(|&&axis| axis < channels);
    if !spatial.is_empty() {
        let [height, width, _] = graph.network.image(x.source);
        let is_whole = [height, width].iter().enumerate().all(|(axis, &extent)| extent == 1 || spatial.contains(&axis));
        let kernel = [0, 1].map(|axis| if spatial.contains(&axis) { [height, width][axis] } else { 1 });
        let pool = Pool2d { kernel, stride: [1, 1], padding: Padding::default() };
        let layer = match reduction {
            Reduction::Max => Layer::MaxPool(pool),
            _ if is_whole => Layer::GlobalAvgPool,
            _ => Layer::AvgPool { pool, count_padding: false },
        };
        let is_row = layer == Layer::GlobalAvgPool;
        let source = graph.network.add(&name, layer, &[x.source], Vec::new())?;
        x = x.reduced(&spatial, source, is_row);
    }
    if !over_channels.is_empty() {
        let layer = if reduction == Reduction::Max { Layer::ChannelMax } else { Layer::ChannelMean };
        let channels = x.layer_shape().len() - 1;
        let source = graph.network.add(&name, layer, &[x.source], Vec::new())?;
        x = x.reduced(&[channels], source, false);
    }
    if of_sum {
        let name = if reduction == Reduction::Length { part("sum") } else { node.name().to_string() };
        x = scaled(graph, &x, &name, terms as f32)?;
    }
    if reduction == Reduction::Length {
        x = power(graph, &x, node.name(), 0.5)?;
    }
    Ok(Some(x))
}

fn of_constant(constant: &Constant, axes: &[usize], kept: bool, reduction: Reduction) -> Constant {
    let numbers: Vec<f64> = match &constant.values {
        Values::Floats(values) => values.iter().map(|&value| value.into()).collect(),
        Values::Integers(values) => values.iter().map(|&value| value as f64).collect(),
    };
    let mut array = ArrayD::from_shape_vec(&constant.shape[..], numbers).expect("as many values as the shape says");
    if matches!(reduction, Reduction::Squares | Reduction::Length) {
        array.mapv_inplace(|x| x * x);
    }
    let terms: usize = axes.iter().map(|&axis| constant.shape[axis]).product();
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    axes.dedup();
    for &axis in axes.iter().rev() {
        array = match reduction {
            Reduction::Max => array.map_axis(Axis(axis), |lane| lane.fold(f64::NEG_INFINITY, |a, &b| a.max(b))),
            _ => array.sum_axis(Axis(axis)),
        };
        if kept {
            array.insert_axis_inplace(Axis(axis));
        }
    }
    match reduction {
        Reduction::Mean => array.mapv_inplace(|sum| sum / terms as f64),
        Reduction::Length => array.mapv_inplace(f64::sqrt),
        Reduction::Sum | Reduction::Max | Reduction::Squares => {}
    }
    let values = match constant.values {
        Values::Floats(_) => Values::Floats(array.iter().map(|&value| value as f32).collect()),
        Values::Integers(_) => Values::Integers(array.iter().map(|&value| value as i64).collect()),
    };
    Constant { shape: array.shape().to_vec(), values }
}
