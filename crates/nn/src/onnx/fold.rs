//! Operators of constants alone: computed by the layers that they become for values that depend on the image.

use std::collections::{HashMap, HashSet};

use tensor::Tensor;

use super::activation::Activation;
use super::constant::Constant;
use super::context::{Graph, Operator, Reading, Value};
use super::error::NodeError;
use super::external::ExternalData;
use super::network::Network;
use crate::layers::Flatten;
use crate::layers::limits::count;
use crate::model::{ModelInfo, Source};

/// Multiply–adds that are charged as one element of a constant.
const WORK_OF_AN_ELEMENT: u64 = 64;

/// The result of a node whose inputs are all constants, the first of floating-point numbers; `None` if they aren't.
pub(super) fn folded(r: &mut Reading<'_>, operator: Operator) -> Result<Option<Value>, NodeError> {
    let mut values = HashMap::new();
    let mut first = None;
    for (index, name) in r.node.proto.input.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let Value::Constant(constant) = r.graph.value(name)? else { return Ok(None) };
        if index == 0 {
            first = Some((name.as_str(), constant));
        } else {
            values.insert(name.as_str(), Value::Constant(constant));
        }
    }
    let Some((name, x)) = first.filter(|(_, x)| x.as_integers().is_none() && x.values.len() > 0) else {
        return Ok(None);
    };
    r.charge(x.values.len())?;
    let (floats, row) = (x.to_floats(), [1, 1, x.values.len()]);
    values.insert(name, Activation::permuted(Source::Image, 1, row, &[0, 1, 2]).reshaped(&x.shape)?.into());
    let graph = Graph {
        network: Network::new(row),
        external: ExternalData(None),
        batch: 1,
        opset: r.graph.opset,
        tensors: HashMap::new(),
        values,
        readers: HashMap::new(),
        unread: HashMap::new(),
        own: HashSet::new(),
        budget: r.graph.budget,
    };
    let mut inner = Reading { node: r.node, graph };
    let value = operator(&mut inner)?;
    r.graph.budget = inner.graph.budget;
    let Value::Activation(result) = value else { return Ok(Some(value)) };
    r.charge(count(result.layer_shape()).unwrap_or(usize::MAX))?;
    if result.source == Source::Image {
        return Ok(Some(Constant::floats(&result.shape(), result.in_onnx_order(&floats)).into()));
    }
    // A model gives a row, or a map.
    let last = inner.add("row", Flatten, &[result.source], [])?;
    let model =
        inner.graph.network.build(last, ModelInfo::default()).map_err(|error| NodeError::Folding(error.to_string()))?;
    let work = model.layers().iter().fold(0, |work: u64, node| {
        work.saturating_add(node.layer.kind().work(model.shape_of(node.inputs[0]), &node.output_shape).total())
    });
    r.charge(usize::try_from(work / WORK_OF_AN_ELEMENT).unwrap_or(usize::MAX))?;
    let images = Tensor::new([1, 1, 1, row[2]], floats);
    let values = model.predict(images).map_err(|error| NodeError::Folding(error.to_string()))?;
    Ok(Some(Constant::floats(&result.shape(), result.in_onnx_order(values.as_slice())).into()))
}
