//! Operators that move nothing: the same values under another of ONNX's shapes.

use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index};

/// Flatten. Of what depends on the picture only from dimension 1 on: the images of a batch stay apart.
pub(super) fn flatten<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let shape = full_shape(&x, graph.batch);
    let axis = node.integer("axis", 1)?;
    // A place between dimensions: there is one more behind the last.
    let place = if axis == shape.len() as i64 { Some(shape.len()) } else { index(axis, shape.len()) };
    let axis = place.ok_or_else(|| no_dimension("axis", axis))?;
    let product = |extents: &[usize]| extents.iter().product::<usize>();
    under(node, graph, x, &[product(&shape[..axis]), product(&shape[axis..])])
}

/// Reshape to a constant shape, in which 0 stands for the extent as it is and −1 for what remains.
pub(super) fn reshape<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let target = graph.integers(node, 1, "shape")?.ok_or(NodeError::MissingInput("shape"))?;
    let zero_is_zero = node.integer("allowzero", 0)? != 0;
    let from = full_shape(&x, graph.batch);
    let unfit = || NodeError::Setting {
        name: "shape",
        found: format!("{target:?} for {from:?}"),
        supported: "one of as many elements",
    };
    let known = |(place, &extent): (usize, &i64)| match extent {
        -1 => Some(1),
        0 if !zero_is_zero => from.get(place).copied(),
        extent => usize::try_from(extent).ok(),
    };
    let mut shape: Vec<usize> = target.iter().enumerate().map(known).collect::<Option<_>>().ok_or_else(unfit)?;
    let mut unknown = target.iter().enumerate().filter(|(_, extent)| **extent == -1).map(|(place, _)| place);
    let product = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent)).ok_or_else(unfit)?;
    let elements: usize = from.iter().product();
    if let Some(place) = unknown.next() {
        shape[place] = elements.checked_div(product).ok_or_else(unfit)?;
    }
    if unknown.next().is_some() || shape.iter().product::<usize>() != elements {
        return Err(unfit());
    }
    under(node, graph, x, &shape)
}

/// Transpose; the images of a batch stay the first dimension.
pub(super) fn transpose<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let rank = full_shape(&x, graph.batch).len();
    let permutation = match node.integers("perm")? {
        None => (0..rank).rev().collect(),
        Some(given) => {
            let permutation: Vec<usize> = given.iter().filter_map(|&axis| index(axis, rank)).collect();
            let mut sorted = permutation.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(0..rank) {
                let found = format!("{given:?}");
                return Err(NodeError::Setting { name: "perm", found, supported: "a permutation of the dimensions" });
            }
            permutation
        }
    };
    match x {
        Value::Activation(activation) => {
            let moved = graph.settled(node, activation.transposed(&permutation)?)?;
            let Some(shape) = moved.as_unflattened() else { return Ok(moved.into()) };
            Ok(graph.unflattened(node.name(), &moved, shape)?.into())
        }
        Value::Pixels(_) => Err(NodeError::Batch),
        Value::Constant(constant) => {
            graph.charge(constant.values.len())?;
            Ok(constant.transposed(&permutation).into())
        }
    }
}

/// Squeeze: without these dimensions, or all of extent 1.
pub(super) fn squeeze<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let mut shape = full_shape(&x, graph.batch);
    let gone: Vec<usize> = match graph.integers(node, 1, "axes")? {
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
        Some(axes) => axes
            .iter()
            .map(|&axis| {
                index(axis, shape.len()).filter(|&place| shape[place] == 1).ok_or_else(|| no_dimension("axes", axis))
            })
            .collect::<Result<_, _>>()?,
    };
    let mut axis = 0;
    shape.retain(|_| {
        axis += 1;
        !gone.contains(&(axis - 1))
    });
    under(node, graph, x, &shape)
}

/// Unsqueeze: with dimensions of extent 1 at these places.
pub(super) fn unsqueeze<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let x = graph.input(node, 0, "input")?;
    let old = full_shape(&x, graph.batch);
    let axes = graph.integers(node, 1, "axes")?.ok_or(NodeError::MissingInput("axes"))?;
    let rank = old.len() + axes.len();
    let mut is_new = vec![false; rank];
    for &axis in &axes {
        let place = index(axis, rank).filter(|&place| !is_new[place]).ok_or_else(|| no_dimension("axes", axis))?;
        is_new[place] = true;
    }
    let mut old = old.into_iter();
    let shape: Vec<usize> = is_new.iter().map(|&new| if new { 1 } else { old.next().unwrap_or(1) }).collect();
    under(node, graph, x, &shape)
}

/// ONNX's whole shape.
pub(super) fn full_shape(x: &Value, batch: usize) -> Vec<usize> {
    match x {
        Value::Constant(constant) => constant.shape.clone(),
        Value::Activation(activation) => [&[batch], &activation.shape()[..]].concat(),
        Value::Pixels(activation) => {
            let (channels, positions) =
                activation.shape().split_last().map_or((1, 1), |(&c, rest)| (c, rest.iter().product()));
            vec![batch * positions, channels]
        }
    }
}

fn no_dimension(name: &'static str, axis: i64) -> NodeError {
    NodeError::Setting {
        name,
        found: axis.to_string(),
        supported: "a dimension of the input, one of extent 1 to squeeze",
    }
}

/// The same values under this shape of as many elements.
pub(super) fn under<'a>(node: &Node<'a>, graph: &mut Graph<'a>, x: Value, shape: &[usize]) -> Result<Value, NodeError> {
    match x {
        Value::Constant(constant) => {
            graph.charge(constant.values.len())?;
            Ok(Constant { shape: shape.to_vec(), values: constant.values.clone() }.into())
        }
        Value::Activation(activation) => match shape.split_first() {
            Some((&first, rest)) if first == graph.batch => Ok(graph.settled(node, activation.reshaped(rest)?)?.into()),
            _ if shape == full_shape(&Value::Pixels(activation.clone()), graph.batch) => Ok(Value::Pixels(activation)),
            _ => Err(NodeError::Batch),
        },
        Value::Pixels(activation) => under(node, graph, activation.into(), shape),
    }
}

impl<'a> Graph<'a> {
    /// A row's values as a picture `[H, W, C]`.
    pub(super) fn unflattened(
        &mut self,
        name: &str,
        row: &Activation,
        shape: [usize; 3],
    ) -> Result<Activation, NodeError> {
        let source = self.network.add(name, Layer::Unflatten { shape }, &[row.source], Vec::new())?;
        Ok(Activation::image(source, shape))
    }

    /// The same values; where ONNX sees a row and the layer gives a picture, from a layer that flattens it, and where channels
    /// have changed their places, from one that moves them.
    pub(super) fn settled(&mut self, node: &Node<'a>, x: Activation) -> Result<Activation, NodeError> {
        if x.needs_flattening() {
            let source = self.network.add(node.name(), Layer::Flatten, &[x.source], Vec::new())?;
            return Ok(x.flattened(source));
        }
        if let Some(order) = x.order_of_channels() {
            self.charge(x.layer_shape()[2])?;
            let places = x.moved_channels(&order);
            let source = self.network.add(node.name(), Layer::Select { axis: 2, places }, &[x.source], Vec::new())?;
            return Ok(Activation::image(source, self.network.image(source)));
        }
        Ok(x)
    }
}
