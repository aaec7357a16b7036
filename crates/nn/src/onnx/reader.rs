//! Reads a graph node by node: the model of a file.

use std::collections::{HashMap, HashSet};

use super::activation::Activation;
use super::context::{Graph, Operator, Reading, Value};
use super::error::{NodeError, OnnxError};
use super::external::ExternalData;
use super::network::Network;
use super::node::Node;
use super::options::OnnxOptions;
use super::output;
use super::registry::OPERATORS;
use super::schema::{DimensionProto, GraphProto, INFO_KEY, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::layers::limits::{MAX_VALUES, count};
use crate::model::{Model, ModelInfo, Source};

/// The oldest version of the operators that is supported.
const OLDEST_OPSET: i64 = 7;

/// The model of a file of this many bytes.
pub(super) fn model(
    mut file: ModelProto,
    external: ExternalData<'_>,
    bytes: usize,
    options: &OnnxOptions,
) -> Result<Model, OnnxError> {
    let mut graph = file.graph.take().ok_or(OnnxError::NoGraph)?;
    let tensors = std::mem::take(&mut graph.initializer);
    let scores = output::choose(&graph, options.output.as_deref())?;
    let outputs = output::names(&graph, &scores);
    let (graph, Value::Activation(values)) = read(&file, &graph, tensors, scores.value, external, bytes)? else {
        return Err(OnnxError::Output(scores.output.into()));
    };
    let mut network = graph.network;
    let last = output::end(&mut network, &values, &scores)?;
    let info = info(&file);
    let task = info.task.or(scores.task);
    network.build(last, ModelInfo { task, outputs, ..info })
}

/// Reads the graph, whose tensors are given, up to this value.
pub(super) fn read<'a>(
    file: &ModelProto,
    graph: &'a GraphProto,
    tensors: Vec<TensorProto>,
    output: &'a str,
    external: ExternalData<'a>,
    bytes: usize,
) -> Result<(Graph<'a>, Value), OnnxError> {
    let found = file.opset_import.iter().find(|set| is_onnx(&set.domain)).map(|set| set.version);
    let opset = found.filter(|&version| version >= OLDEST_OPSET).ok_or(OnnxError::Opset { found })?;
    let nodes = needed(graph, output);
    let tensors: HashMap<String, TensorProto> =
        tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|input| !tensors.contains_key(&input.name[..])).collect();
    let &[input] = &inputs[..] else {
        return Err(OnnxError::Inputs(inputs.iter().map(|input| input.name.clone()).collect()));
    };
    let (batch, image) = image(input, &nodes)?;
    let mut readers = HashMap::new();
    for name in nodes.iter().flat_map(|node| &node.input).map(String::as_str).chain([output]) {
        *readers.entry(name).or_default() += 1;
    }
    let mut graph = Graph {
        network: Network::new(image.layer_shape().try_into().expect("an image [H, W, C]")),
        external,
        batch,
        opset,
        tensors,
        values: HashMap::from([(&input.name[..], image.into())]),
        unread: readers.clone(),
        readers,
        own: HashSet::new(),
        // In memory, constants are as large as in the file, or a few times that; shapes are a few numbers each.
        budget: bytes.saturating_mul(4).saturating_add(1 << 20),
    };
    for proto in nodes {
        let node = Node { proto };
        let mut reading = Reading { node, graph };
        read_node(&mut reading).map_err(|error| {
            let (node, operator) = (node.name().into(), proto.op_type.clone());
            OnnxError::Node { node, operator, error }
        })?;
        graph = reading.graph;
        graph.leave(proto);
    }
    let value = graph.value(output).map_err(|_| OnnxError::Output(output.into()))?;
    Ok((graph, value))
}

fn read_node(r: &mut Reading<'_>) -> Result<(), NodeError> {
    let proto = r.node.proto;
    if !is_onnx(&proto.domain) {
        return Err(NodeError::Domain(proto.domain.clone()));
    }
    let operator = find(&proto.op_type)?;
    let layers = r.graph.network.len();
    let value = operator(r)?;
    let name = proto.output.first().map_or("", |name| name);
    if matches!(value, Value::Activation(_)) && r.graph.network.len() > layers {
        r.graph.own.insert(name);
    }
    r.define(name, value)
}

fn find(name: &str) -> Result<Operator, NodeError> {
    let operators = || OPERATORS.iter().copied().flatten();
    if let Some(&(_, operator)) = operators().find(|(known, _)| *known == name) {
        return Ok(operator);
    }
    let mut supported: Vec<&'static str> = operators().map(|&(name, _)| name).collect();
    supported.sort_unstable();
    Err(NodeError::Operator { supported })
}

/// Whether operators of this domain are ONNX's own.
pub(super) fn is_onnx(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Class names and preprocessing, if we wrote the file.
fn info(file: &ModelProto) -> ModelInfo {
    let entry = file.metadata_props.iter().find(|entry| entry.key == INFO_KEY);
    entry.and_then(|entry| serde_json::from_str(&entry.value).ok()).unwrap_or_default()
}

/// The nodes that a value depends on, in the file's order.
fn needed<'a>(graph: &'a GraphProto, output: &'a str) -> Vec<&'a NodeProto> {
    let mut values = HashSet::from([output]);
    let mut nodes: Vec<&NodeProto> = Vec::new();
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|name| !name.is_empty() && values.contains(&name[..])) {
            values.extend(node.input.iter().map(String::as_str));
            nodes.push(node);
        }
    }
    nodes.reverse();
    nodes
}

/// The batch size, and one image of the input. An input that is transposed from `[N, H, W, C]` before anything else reads it
/// has that shape; `[N, C]` is an image of one pixel, `[N, C, L]` one of one row.
fn image(input: &ValueInfoProto, nodes: &[&NodeProto]) -> Result<(usize, Activation), OnnxError> {
    let tensor = input.r#type.as_ref().and_then(|of| of.tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let misfit = || {
        let text = |dim: &DimensionProto| match (dim.dim_value, &dim.dim_param) {
            (Some(value), _) => value.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => "?".into(),
        };
        OnnxError::InputShape { name: input.name.clone(), found: dims.iter().map(text).collect() }
    };
    let extent = |dim: &DimensionProto| usize::try_from(dim.dim_value?).ok().filter(|&extent| extent > 0);
    let extents: Vec<Option<usize>> = dims.iter().map(extent).collect();
    let first_reader = nodes.iter().find(|node| node.input.contains(&input.name));
    let channels_last = first_reader.is_some_and(|node| {
        let permutation = node.attribute.iter().find(|attribute| attribute.name == "perm");
        node.op_type == "Transpose" && permutation.is_some_and(|permutation| permutation.ints == [0, 3, 1, 2])
    });
    let (shape, axes) = match (&extents[..], channels_last) {
        (&[_, Some(h), Some(w), Some(c)], true) => ([h, w, c], &[0, 1, 2][..]),
        (&[_, Some(c), Some(h), Some(w)], false) => ([h, w, c], &[2, 0, 1][..]),
        (&[_, Some(c), Some(length)], _) => ([1, length, c], &[2, 1][..]),
        (&[_, Some(c)], _) => ([1, 1, c], &[2][..]),
        _ => return Err(misfit()),
    };
    let batch = extents[0].unwrap_or(1);
    match count(&shape) {
        Some(values) if values.max(batch) <= MAX_VALUES => {
            Ok((batch, Activation::permuted(Source::Image, shape, axes)))
        }
        _ => Err(misfit()),
    }
}
