//! A graph, read node by node.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::activation::Activation;
use super::constant::Constant;
use super::error::{NodeError, OnnxError};
use super::external::ExternalData;
use super::network::Network;
use super::node::Node;
use super::operators;
use super::schema::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::layer::{Layer, MOST_VALUES};
use crate::model::{Model, ModelInfo, Source};

/// The oldest version of the operators that is read.
const OLDEST_OPSET: i64 = 7;
/// The metadata entry that holds class names and preprocessing.
pub(super) const KEY: &str = "glassbox";

/// A value of the graph.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Constant(Rc<Constant>),
    Activation(Activation),
    /// The pixels of all pictures as the rows of one matrix `[N·H·W, C]`, for a matrix product.
    Pixels(Activation),
}

impl Value {
    pub(super) fn as_constant(&self) -> Option<Rc<Constant>> {
        match self {
            Self::Constant(constant) => Some(Rc::clone(constant)),
            Self::Activation(_) | Self::Pixels(_) => None,
        }
    }
}

impl From<Constant> for Value {
    fn from(constant: Constant) -> Self {
        Self::Constant(Rc::new(constant))
    }
}

impl From<Activation> for Value {
    fn from(activation: Activation) -> Self {
        Self::Activation(activation)
    }
}

/// What is known of a graph while it is read.
pub(super) struct Graph<'a> {
    pub(super) network: Network,
    pub(super) external: ExternalData<'a>,
    /// Images in a batch, as the file says; 1 if it doesn't.
    pub(super) batch: usize,
    /// Version of the operators.
    pub(super) opset: i64,
    tensors: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<&'a str, Value>,
    /// How many nodes read a value, the end of the graph counted as one.
    readers: HashMap<&'a str, usize>,
    /// Values that have a layer of their own, rather than being another's under another shape.
    own: HashSet<&'a str>,
    /// How many more elements may be computed from constants.
    budget: usize,
}

/// The model of a file of so many bytes.
pub(super) fn model(file: &ModelProto, external: ExternalData<'_>, bytes: usize) -> Result<Model, OnnxError> {
    let graph = file.graph.as_ref().ok_or(OnnxError::NoGraph)?;
    let output = graph.output.first().map_or("", |output| &output.name[..]);
    let scores = before_softmax(graph, output);
    let (mut graph, Value::Activation(scores)) = read(file, graph, scores, external, bytes)? else {
        return Err(OnnxError::Output(output.into()));
    };
    let last = graph.finish(&scores, output)?;
    graph.network.build(last, info(file))
}

/// What is known when this value has been computed, and the value.
pub(super) fn read<'a>(
    file: &ModelProto,
    graph: &'a GraphProto,
    output: &'a str,
    external: ExternalData<'a>,
    bytes: usize,
) -> Result<(Graph<'a>, Value), OnnxError> {
    let found = file.opset_import.iter().find(|set| is_own(&set.domain)).map(|set| set.version);
    let opset = found.filter(|&version| version >= OLDEST_OPSET).ok_or(OnnxError::Opset { found })?;
    let needed = needed(graph, output);
    let mut reading = Graph::start(graph, opset, &needed, output, external, bytes)?;
    for proto in needed {
        let node = Node { proto };
        reading.read(&node).map_err(|error| OnnxError::Node {
            node: node.name().into(),
            operator: proto.op_type.clone(),
            error,
        })?;
    }
    let value = reading.value(output).map_err(|_| OnnxError::Output(output.into()))?;
    Ok((reading, value))
}

fn is_own(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Class names and preprocessing, if we wrote the file.
fn info(file: &ModelProto) -> ModelInfo {
    let entry = file.metadata_props.iter().find(|entry| entry.key == KEY);
    entry.and_then(|entry| serde_json::from_str(&entry.value).ok()).unwrap_or_default()
}

/// What enters a softmax at the end of the graph; the end itself if there is none.
pub(super) fn before_softmax<'a>(graph: &'a GraphProto, output: &'a str) -> &'a str {
    let mut scores = output;
    for node in graph.node.iter().rev() {
        let axis = node.attribute.iter().find(|attribute| attribute.name == "axis").and_then(|axis| axis.i);
        let ends = node.output.first().is_some_and(|name| name == scores) && is_own(&node.domain);
        if let ("Softmax" | "LogSoftmax" | "Identity", true, [input]) = (&node.op_type[..], ends, &node.input[..]) {
            if !matches!(axis, None | Some(1 | -1)) {
                break;
            }
            scores = input;
        }
    }
    scores
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

impl<'a> Graph<'a> {
    fn start(
        graph: &'a GraphProto,
        opset: i64,
        needed: &[&'a NodeProto],
        output: &'a str,
        external: ExternalData<'a>,
        bytes: usize,
    ) -> Result<Self, OnnxError> {
        let tensors: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|tensor| (&tensor.name[..], tensor)).collect();
        let inputs: Vec<&ValueInfoProto> =
            graph.input.iter().filter(|input| !tensors.contains_key(&input.name[..])).collect();
        let &[input] = &inputs[..] else {
            return Err(OnnxError::Inputs(inputs.iter().map(|input| input.name.clone()).collect()));
        };
        let (batch, picture) = picture(input, needed)?;
        let network = Network::new(picture.layer_shape().try_into().expect("a picture [H, W, C]"));
        let mut readers = HashMap::new();
        for name in needed.iter().flat_map(|node| &node.input).map(String::as_str).chain([output]) {
            *readers.entry(name).or_default() += 1;
        }
        let values = HashMap::from([(&input.name[..], picture.into())]);
        // Constants in memory are as large as in the file, or a few times that; shapes are a few numbers each.
        let budget = bytes.saturating_mul(4).saturating_add(1 << 20);
        Ok(Self { network, external, batch, tensors, values, readers, own: HashSet::new(), budget, opset })
    }

    fn read(&mut self, node: &Node<'a>) -> Result<(), NodeError> {
        if !is_own(&node.proto.domain) {
            return Err(NodeError::Domain(node.proto.domain.clone()));
        }
        let operator = operators::find(&node.proto.op_type).ok_or(NodeError::Operator)?;
        let layers = self.network.len();
        let value = operator(node, self)?;
        let name = node.proto.output.first().map_or("", |name| name);
        if !matches!(value, Value::Constant(_)) && self.network.len() > layers {
            self.own.insert(name);
        }
        self.define(name, value)
    }

    /// Gives a value its name.
    pub(super) fn define(&mut self, name: &'a str, value: Value) -> Result<(), NodeError> {
        if let Value::Constant(constant) = &value {
            self.charge(constant.size())?;
        }
        match self.tensors.contains_key(name) || self.values.insert(name, value).is_some() {
            true => Err(NodeError::ValueTaken(name.into())),
            false => Ok(()),
        }
    }

    /// Counts elements that are about to be computed.
    pub(super) fn charge(&mut self, elements: usize) -> Result<(), NodeError> {
        self.budget = self.budget.checked_sub(elements).ok_or(NodeError::TooManyConstants)?;
        Ok(())
    }

    fn value(&mut self, name: &'a str) -> Result<Value, NodeError> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let tensor = self.tensors.get(name).ok_or_else(|| NodeError::UnknownValue(name.into()))?;
        let value: Value = Constant::read(tensor, &self.external)?.into();
        self.tensors.remove(name);
        self.values.insert(name, value.clone());
        Ok(value)
    }

    /// The input at this place; `what` says what it is for.
    pub(super) fn input(&mut self, node: &Node<'a>, place: usize, what: &'static str) -> Result<Value, NodeError> {
        self.value(node.input(place).ok_or(NodeError::MissingInput(what))?)
    }

    /// The input at this place, which depends on the picture.
    pub(super) fn activation(
        &mut self,
        node: &Node<'a>,
        place: usize,
        what: &'static str,
    ) -> Result<Activation, NodeError> {
        match self.input(node, place, what)? {
            Value::Activation(activation) => Ok(activation),
            Value::Pixels(_) => Err(NodeError::Batch),
            Value::Constant(_) => {
                let name = node.input(place).unwrap_or_default().into();
                Err(NodeError::Constant { input: what, name })
            }
        }
    }

    /// The input at this place, which doesn't depend on the picture, if it is there.
    pub(super) fn optional_constant(
        &mut self,
        node: &Node<'a>,
        place: usize,
        what: &'static str,
    ) -> Result<Option<Rc<Constant>>, NodeError> {
        let Some(name) = node.input(place) else { return Ok(None) };
        match self.value(name)? {
            Value::Constant(constant) => Ok(Some(constant)),
            Value::Activation(_) | Value::Pixels(_) => Err(NodeError::NotConstant { input: what, name: name.into() }),
        }
    }

    /// The input at this place, which doesn't depend on the picture.
    pub(super) fn constant(
        &mut self,
        node: &Node<'a>,
        place: usize,
        what: &'static str,
    ) -> Result<Rc<Constant>, NodeError> {
        self.optional_constant(node, place, what)?.ok_or(NodeError::MissingInput(what))
    }

    /// A list of integers: an input in newer versions of the operators, an attribute in older ones.
    pub(super) fn integers(
        &mut self,
        node: &Node<'a>,
        place: usize,
        name: &'static str,
    ) -> Result<Option<Vec<i64>>, NodeError> {
        if let Some(attribute) = node.integers(name)? {
            return Ok(Some(attribute.to_vec()));
        }
        let Some(constant) = self.optional_constant(node, place, name)? else { return Ok(None) };
        match constant.as_integers() {
            Some(integers) => Ok(Some(integers.to_vec())),
            None => Err(NodeError::Setting { name, found: "floating-point".into(), supported: "integers" }),
        }
    }

    /// Whether this node alone reads the layer that gives its input at this place.
    pub(super) fn is_only_reader(&self, node: &Node<'a>, place: usize) -> bool {
        node.input(place).is_some_and(|name| self.own.contains(name) && self.readers.get(name) == Some(&1))
    }

    /// A layer of one input in which every value stays in its place.
    pub(super) fn in_place(&mut self, node: &Node<'a>, layer: Layer) -> Result<Value, NodeError> {
        let x = self.activation(node, 0, "input")?;
        let source = self.network.add(node.name(), layer, &[x.source], Vec::new())?;
        Ok(x.of(source).into())
    }

    /// The layer that gives the scores, as a row.
    fn finish(&mut self, scores: &Activation, output: &str) -> Result<Source, OnnxError> {
        let misfit = || OnnxError::OutputShape { name: output.into(), found: scores.shape() };
        if scores.shape().iter().skip(1).any(|&extent| extent != 1) || !scores.is_in_our_order() {
            return Err(misfit());
        }
        if scores.layer_shape().len() == 1 {
            return Ok(scores.source);
        }
        self.network.add(output, Layer::Flatten, &[scores.source], Vec::new()).map_err(|_| misfit())
    }
}

/// Images in a batch, and one image's place. `[N, H, W, C]` is one that is transposed before anything else reads it; `[N, C]`
/// is a picture of one pixel, `[N, C, L]` one of one row.
fn picture(input: &ValueInfoProto, needed: &[&NodeProto]) -> Result<(usize, Activation), OnnxError> {
    let tensor = input.r#type.as_ref().and_then(|of| of.tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let extent = |value: i64| usize::try_from(value).ok().filter(|&extent| extent > 0);
    let extents: Vec<Option<usize>> = dims.iter().map(|dim| extent(dim.dim_value?)).collect();
    let found = || {
        let text = |dim: &super::schema::DimensionProto| match (dim.dim_value, &dim.dim_param) {
            (Some(value), _) => value.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => "?".into(),
        };
        OnnxError::InputShape { name: input.name.clone(), found: dims.iter().map(text).collect() }
    };
    let first_reader = needed.iter().find(|node| node.input.contains(&input.name));
    let channels_last = first_reader.is_some_and(|node| {
        let permutation = node.attribute.iter().find(|attribute| attribute.name == "perm");
        node.op_type == "Transpose" && permutation.is_some_and(|permutation| permutation.ints == [0, 3, 1, 2])
    });
    let (shape, axes) = match (&extents[..], channels_last) {
        (&[_, Some(h), Some(w), Some(c)], true) => ([h, w, c], &[0, 1, 2][..]),
        (&[_, Some(c), Some(h), Some(w)], false) => ([h, w, c], &[2, 0, 1][..]),
        (&[_, Some(c), Some(length)], _) => ([1, length, c], &[2, 1][..]),
        (&[_, Some(c)], _) => ([1, 1, c], &[2][..]),
        _ => return Err(found()),
    };
    let batch = extents[0].unwrap_or(1);
    match shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent)) {
        Some(values) if values.max(batch) <= MOST_VALUES => {}
        _ => return Err(found()),
    }
    Ok((batch, Activation::permuted(Source::Image, shape, axes)))
}
