//! Reads a graph node by node: the model of a file.

use std::collections::{HashMap, HashSet};

use super::capability;
use super::context::{Graph, Operator, Reading, Value};
use super::error::{NodeError, OnnxError};
use super::external::ExternalData;
use super::fold;
use super::input;
use super::network::Network;
use super::node::Node;
use super::options::OnnxOptions;
use super::order;
use super::output;
use super::registry::OPERATORS;
use super::schema::{GraphProto, INFO_KEY, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::layers::layer::Layer;
use crate::model::{Model, ModelInfo, Task};

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
    order::sort(&mut graph)?;
    let tensors = std::mem::take(&mut graph.initializer);
    let scores = output::choose(&graph, options.output.as_deref())?;
    let outputs = output::names(&graph, &scores);
    let (graph, Value::Activation(values)) = read(&file, &graph, tensors, scores.value, external, bytes, options)?
    else {
        return Err(OnnxError::Output(scores.output.into()));
    };
    let mut network = graph.network;
    let last = output::end(&mut network, &values, &scores)?;
    let info = info(&file);
    let is_embedding = matches!(network.planned(last), Some(planned) if matches!(planned.layer, Layer::L2Norm(_)));
    let task = info.task.or(scores.task).or(is_embedding.then_some(Task::Embedding));
    network.build(last, ModelInfo { task, outputs, ..info })
}

/// Reads the graph, whose nodes are in order and whose tensors are given, up to this value.
pub(super) fn read<'a>(
    file: &ModelProto,
    graph: &'a GraphProto,
    tensors: Vec<TensorProto>,
    output: &'a str,
    external: ExternalData<'a>,
    bytes: usize,
    options: &OnnxOptions,
) -> Result<(Graph<'a>, Value), OnnxError> {
    let found = file.opset_import.iter().find(|set| is_onnx(&set.domain)).map(|set| set.version);
    let opset = found.filter(|&version| version >= OLDEST_OPSET).ok_or(OnnxError::Opset { found })?;
    let nodes = needed(graph, output);
    if let Some(unread) = capability::unread(&nodes) {
        return Err(OnnxError::Operators(unread));
    }
    let tensors: HashMap<String, TensorProto> =
        tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|input| !tensors.contains_key(&input.name[..])).collect();
    let &[input] = &inputs[..] else {
        return Err(OnnxError::Inputs(inputs.iter().map(|input| input.name.clone()).collect()));
    };
    let (batch, image) = input::image(input, &graph.node, &tensors, options.size)?;
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
    if is_quantised(&proto.op_type) {
        return Err(NodeError::Quantised);
    }
    if !is_onnx(&proto.domain) {
        return Err(NodeError::Domain(proto.domain.clone()));
    }
    let operator = find(&proto.op_type).ok_or(NodeError::Operator)?;
    let layers = r.graph.network.len();
    let value = match operator(r) {
        Err(error @ NodeError::Constant { .. }) => fold::folded(r, operator)?.ok_or(error)?,
        result => result?,
    };
    let name = proto.output.first().map_or("", |name| name);
    if matches!(value, Value::Activation(_)) && r.graph.network.len() > layers {
        r.graph.own.insert(name);
    }
    r.define(name, value)
}

fn find(name: &str) -> Option<Operator> {
    OPERATORS.iter().copied().flatten().find(|(known, _)| *known == name).map(|&(_, operator)| operator)
}

/// Whether an operator is read.
pub(super) fn is_read(name: &str) -> bool {
    find(name).is_some()
}

/// Whether an operator, ONNX's own or another's, computes with numbers of a few bits.
pub(super) fn is_quantised(operator: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "ConvInteger",
        "MatMulInteger",
        "MatMulNBits",
        "QGemm",
    ];
    operator.starts_with("QLinear") || OTHERS.contains(&operator)
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
