//! The output that a graph is read up to, and what it means.

use std::collections::{HashMap, HashSet};

use super::activation::Activation;
use super::error::OnnxError;
use super::network::Network;
use super::reader::is_onnx;
use super::schema::{GraphProto, NodeProto, ValueInfoProto};
use crate::layers::Flatten;
use crate::model::{Source, Task};

/// Parts of the names that exporters give to scores.
const SCORES: [&str; 5] = ["logit", "score", "prob", "class", "pred"];

/// The value that is read as a network's scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scores<'a> {
    /// The graph's output.
    pub(super) output: &'a str,
    /// The value: the output, or what a softmax, a sigmoid or an argmax at the end reads.
    pub(super) value: &'a str,
    /// Their meaning, if the last operations, which were left out, tell it.
    pub(super) task: Option<Task>,
    /// The axis over which a softmax or argmax goes.
    axis: Option<i64>,
}

/// The scores of the output with this name, or of the one that can be scores.
///
/// # Errors
/// If there is no such output, or several could be meant.
pub(super) fn choose<'a>(graph: &'a GraphProto, asked: Option<&str>) -> Result<Scores<'a>, OnnxError> {
    let listed = || graph.output.iter().map(described).collect::<Vec<_>>();
    if let Some(asked) = asked {
        let output = graph.output.iter().find(|output| output.name == asked);
        let unknown = || OnnxError::UnknownOutput { name: asked.into(), outputs: listed() };
        return Ok(scores(graph, &output.ok_or_else(unknown)?.name));
    }
    let mut candidates: Vec<(Scores<'a>, &ValueInfoProto)> = Vec::new();
    for output in &graph.output {
        let scores = scores(graph, &output.name);
        if candidates.iter().all(|(known, _)| known.value != scores.value) {
            candidates.push((scores, output));
        }
    }
    let is_row = |output: &ValueInfoProto| rank(output).is_none_or(|rank| rank <= 2);
    if candidates.iter().any(|(_, output)| is_row(output)) {
        candidates.retain(|(_, output)| is_row(output));
    }
    let before: Vec<HashSet<&str>> = candidates.iter().map(|(scores, _)| upstream(graph, scores.value)).collect();
    // What another output is computed from is features.
    let is_last = |(scores, _): &&(Scores<'a>, _)| before.iter().all(|before| !before.contains(scores.value));
    let is_named = |(scores, _): &&(Scores<'a>, _)| {
        let name = scores.output.to_lowercase();
        SCORES.iter().any(|part| name.contains(part))
    };
    let only = |chosen: Vec<&(Scores<'a>, &ValueInfoProto)>| match chosen[..] {
        [(scores, _)] => Some(*scores),
        _ => None,
    };
    let chosen = only(candidates.iter().collect())
        .or_else(|| only(candidates.iter().filter(is_last).collect()))
        .or_else(|| only(candidates.iter().filter(is_named).collect()));
    chosen.ok_or_else(|| OnnxError::Outputs(listed()))
}

/// The names of all outputs, the one that is read first; none if it is the only one.
pub(super) fn names(graph: &GraphProto, scores: &Scores<'_>) -> Vec<String> {
    let others = graph.output.iter().map(|output| output.name.as_str()).filter(|name| *name != scores.output);
    let names: Vec<String> = std::iter::once(scores.output).chain(others).map(String::from).collect();
    if names.len() > 1 { names } else { Vec::new() }
}

/// The output without a softmax, a sigmoid or an argmax at its end.
pub(super) fn scores<'a>(graph: &'a GraphProto, output: &'a str) -> Scores<'a> {
    let producers: HashMap<&str, &NodeProto> = producers(graph);
    let mut scores = Scores { output, value: output, task: None, axis: None };
    let mut value = output;
    // A cycle has no end.
    for _ in 0..=graph.node.len() {
        let Some(node) = producers.get(value).filter(|node| is_onnx(&node.domain)) else { break };
        let Some(input) = node.input.first() else { break };
        let axis = node.attribute.iter().find(|attribute| attribute.name == "axis").and_then(|axis| axis.i);
        let task = match &node.op_type[..] {
            // What only changes the shape is left out together with what is behind it.
            "Identity" | "Cast" | "Squeeze" | "Unsqueeze" | "Flatten" | "Reshape" => None,
            "Softmax" | "LogSoftmax" | "ArgMax" | "TopK" if matches!(axis, None | Some(1 | -1)) => Some(Task::Classes),
            "Sigmoid" => Some(Task::Labels),
            _ => break,
        };
        value = input;
        if task.is_some() || (node.op_type == "Identity" && scores.value == node.output[0]) {
            scores.value = value;
            scores.task = scores.task.or(task);
            scores.axis = scores.axis.or(axis);
        }
    }
    scores
}

/// The node that computes each value.
fn producers(graph: &GraphProto) -> HashMap<&str, &NodeProto> {
    let outputs = graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (&name[..], node)));
    outputs.filter(|(name, _)| !name.is_empty()).collect()
}

/// The values that a value is computed from.
fn upstream<'a>(graph: &'a GraphProto, value: &'a str) -> HashSet<&'a str> {
    let producers = producers(graph);
    let (mut found, mut left) = (HashSet::new(), vec![value]);
    while let Some(value) = left.pop() {
        let inputs = producers.get(value).map_or(&[][..], |node| &node.input);
        left.extend(inputs.iter().map(String::as_str).filter(|input| found.insert(*input)));
    }
    found
}

/// The number of dimensions of a value, N included, if the file says it.
fn rank(value: &ValueInfoProto) -> Option<usize> {
    Some(value.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim.len())
}

/// `logits [N, 5]`.
pub(super) fn described(value: &ValueInfoProto) -> String {
    let tensor = value.r#type.as_ref().and_then(|of| of.tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let text = |dim: &super::schema::DimensionProto| dim.dim_value.map_or("?".to_string(), |extent| extent.to_string());
    let each: Vec<String> = dims.iter().skip(1).map(text).collect();
    let shape = [&["N".to_string()], &each[..]].concat().join(", ");
    if dims.is_empty() { value.name.clone() } else { format!("{} [{shape}]", value.name) }
}

/// The layer that gives the scores as a row, or as a map `[H, W, K]`.
pub(super) fn end(network: &mut Network, values: &Activation, scores: &Scores<'_>) -> Result<Source, OnnxError> {
    let output = scores.output;
    let misfit = || OnnxError::OutputShape { name: output.into(), found: values.to_string() };
    let shape = values.shape();
    if let &[height, width, _] = values.layer_shape()
        && height * width > 1
        && shape.len() > 2
    {
        let channels_first = values.as_image().is_some();
        // Of `[C, H, W]`, classes are the first axis after N; of `[H, W, C]`, the last.
        let fits = match scores.axis {
            None => channels_first || values.is_in_our_order(),
            Some(axis) => {
                if channels_first {
                    axis == 1
                } else {
                    axis == -1 && values.is_in_our_order()
                }
            }
        };
        return if fits { Ok(values.source) } else { Err(misfit()) };
    }
    let is_row = shape.iter().skip(1).filter(|&&extent| extent != 1).count() <= 1;
    if !is_row || !values.has_batch_first() || !values.is_in_our_order() {
        return Err(misfit());
    }
    if values.layer_shape().len() == 1 {
        return Ok(values.source);
    }
    network.add(output, Flatten.into(), &[values.source], []).map_err(|_| misfit())
}
