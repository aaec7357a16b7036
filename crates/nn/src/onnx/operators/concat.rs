//! Joining: channels of what depends on the picture, any dimension of constants.

use std::rc::Rc;

use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::constant::{Constant, Values};
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::node::{Node, index};

/// Concat.
pub(super) fn concat<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let inputs: Vec<Value> =
        (0..node.proto.input.len()).map(|place| graph.input(node, place, "input")).collect::<Result<_, _>>()?;
    let axis = node.integer("axis", 1)?;
    let constants: Vec<Rc<Constant>> = inputs.iter().filter_map(Value::as_constant).collect();
    if constants.len() == inputs.len() {
        return Ok(joined(graph, &constants, axis)?.into());
    }
    let activations: Vec<Activation> =
        (0..inputs.len()).map(|place| graph.activation(node, place, "input")).collect::<Result<_, _>>()?;
    let first = &activations[0];
    let rank = first.shape().len() + 1;
    let axis = index(axis, rank).ok_or_else(|| setting(axis, "a dimension of the input"))?;
    if axis == 0 {
        return Err(NodeError::Batch);
    }
    let sum: usize = activations.iter().map(|x| x.shape().get(axis - 1).copied().unwrap_or(0)).sum();
    let sources: Vec<_> = activations.iter().map(|x| x.source).collect();
    let whole = |x: &Activation| x.joined(axis - 1, sum, x.source);
    let result =
        whole(first).filter(|first| activations.iter().all(|x| whole(x).is_some_and(|x| first.is_laid_out_as(&x))));
    let Some(result) = result else {
        return Err(setting(axis as i64, "the channels of inputs that are laid out alike"));
    };
    let source = graph.network.add(node.name(), Layer::Concat, &sources, Vec::new())?;
    Ok(result.of(source).into())
}

fn setting(axis: i64, supported: &'static str) -> NodeError {
    NodeError::Setting { name: "axis", found: axis.to_string(), supported }
}

/// The constants along a dimension.
fn joined(graph: &mut Graph<'_>, constants: &[Rc<Constant>], axis: i64) -> Result<Constant, NodeError> {
    let first = constants.first().ok_or(NodeError::MissingInput("input"))?;
    let axis = index(axis, first.shape.len()).ok_or_else(|| setting(axis, "a dimension of the input"))?;
    graph.charge(constants.iter().map(|constant| constant.values.len()).sum())?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for constant in constants {
        let fits = constant.shape.len() == shape.len()
            && (0..shape.len()).all(|place| place == axis || constant.shape[place] == shape[place]);
        if !fits {
            let expected = format!("a constant like {:?} but for dimension {axis}", first.shape);
            return Err(NodeError::Shape { expected, found: constant.shape.clone() });
        }
        shape[axis] = shape[axis].saturating_add(constant.shape[axis]);
    }
    // Each constant is a row of blocks; the joined one has the first block of each, then the second.
    let blocks: usize = shape[..axis].iter().product();
    let parts = || {
        (0..blocks).flat_map(|block| {
            constants.iter().map(move |constant| {
                let each = constant.values.len() / blocks;
                constant.values.pick(block * each..(block + 1) * each)
            })
        })
    };
    let are_integers = constants.iter().all(|constant| matches!(constant.values, Values::Integers(_)));
    let values = if are_integers {
        Values::Integers(parts().flat_map(|part| part.into_integers()).collect())
    } else {
        Values::Floats(parts().flat_map(|part| part.to_floats()).collect())
    };
    Ok(Constant { shape, values })
}
