//! The node and the graph, as an operator sees them.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::activation::Activation;
use super::constant::{Constant, size};
use super::error::NodeError;
use super::external::ExternalData;
use super::network::{Network, Planned, Weight};
use super::node::Node;
use super::schema::{NodeProto, TensorProto};
use crate::layers::Scale;
use crate::layers::layer::Layer;
use crate::model::Source;

/// Turns a node into layers or a constant; returns its first output.
pub(crate) type Operator = fn(&mut Reading<'_>) -> Result<Value, NodeError>;

/// A value of the graph.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Constant(Rc<Constant>),
    Activation(Activation),
}

impl Value {
    pub(crate) fn as_constant(&self) -> Option<Rc<Constant>> {
        match self {
            Self::Constant(constant) => Some(Rc::clone(constant)),
            Self::Activation(_) => None,
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

/// The values of the graph up to a node.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub(super) network: Network,
    pub(super) external: ExternalData<'a>,
    /// Images in a batch, as the file says; 1 if it doesn't.
    pub(super) batch: usize,
    /// Version of the operators.
    pub(super) opset: i64,
    /// Tensors of the file that no node has read.
    pub(super) tensors: HashMap<String, TensorProto>,
    pub(super) values: HashMap<&'a str, Value>,
    /// How many times a value is read, by nodes and as the graph's output.
    pub(super) readers: HashMap<&'a str, usize>,
    /// How many of these times are still to come.
    pub(super) unread: HashMap<&'a str, usize>,
    /// Values that have a layer of their own, rather than being another value in a new shape.
    pub(super) own: HashSet<&'a str>,
    /// How many more elements of constants may be computed.
    pub(super) budget: usize,
}

impl<'a> Graph<'a> {
    pub(super) fn value(&mut self, name: &'a str) -> Result<Value, NodeError> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let tensor = self.tensors.get(name).ok_or_else(|| NodeError::UnknownValue(name.into()))?;
        let value: Value = Constant::read(tensor, &self.external)?.into();
        self.tensors.remove(name);
        self.values.insert(name, value.clone());
        Ok(value)
    }

    /// Frees the constants that no node after this one reads.
    pub(super) fn leave(&mut self, node: &'a NodeProto) {
        for name in &node.input {
            let unread = self.unread.entry(name).or_default();
            *unread = unread.saturating_sub(1);
            if *unread == 0 && matches!(self.values.get(&name[..]), Some(Value::Constant(_))) {
                self.values.remove(&name[..]);
            }
        }
    }
}

/// A node, and the graph up to it.
///
/// Inputs are named by their index; `what` says in error messages what they are for. Layers are added to the network under the
/// node's name, or under that name and a `part`.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) node: Node<'a>,
    pub(super) graph: Graph<'a>,
}

impl<'a> Reading<'a> {
    /// Version of the operators.
    pub(crate) fn opset(&self) -> i64 {
        self.graph.opset
    }

    pub(crate) fn input(&mut self, index: usize, what: &'static str) -> Result<Value, NodeError> {
        self.graph.value(self.node.input(index).ok_or(NodeError::MissingInput(what))?)
    }

    pub(crate) fn inputs(&mut self) -> Result<Vec<Value>, NodeError> {
        (0..self.node.inputs()).map(|index| self.input(index, "input")).collect()
    }

    /// An input that depends on the image.
    pub(crate) fn activation(&mut self, index: usize, what: &'static str) -> Result<Activation, NodeError> {
        match self.input(index, what)? {
            Value::Activation(activation) => Ok(activation),
            Value::Constant(_) => {
                let name = self.node.input(index).unwrap_or_default().into();
                Err(NodeError::Constant { input: what, name })
            }
        }
    }

    /// All inputs, which depend on the image.
    pub(crate) fn activations(&mut self) -> Result<Vec<Activation>, NodeError> {
        (0..self.node.inputs()).map(|index| self.activation(index, "input")).collect()
    }

    /// The first input, which is an image for ONNX, and its `[H, W, C]`.
    pub(crate) fn image_input(&mut self) -> Result<(Activation, [usize; 3]), NodeError> {
        let x = self.activation(0, "input")?;
        self.as_image(&x)
    }

    /// Values that are an image for ONNX, arranged as such, and its `[H, W, C]`.
    pub(crate) fn as_image(&mut self, x: &Activation) -> Result<(Activation, [usize; 3]), NodeError> {
        let x = self.arranged("arranged", x)?;
        let shape = x.as_image().ok_or_else(|| x.misfit("an image [N, C, H, W]"))?;
        Ok((x, shape))
    }

    /// The first input, which is an image for ONNX or, for operators of one dimension, a row of pixels, and its `[H, W, C]`.
    pub(crate) fn picture_input(&mut self) -> Result<(Activation, [usize; 3]), NodeError> {
        let x = self.activation(0, "input")?;
        let x = self.arranged("arranged", &x)?;
        let shape = x.as_image().or_else(|| x.as_strip());
        let shape = shape.ok_or_else(|| x.misfit("an image [N, C, H, W], or a row of pixels [N, C, L]"))?;
        Ok((x, shape))
    }

    /// An input that doesn't depend on the image, if the node has it.
    pub(crate) fn optional_constant(
        &mut self,
        index: usize,
        what: &'static str,
    ) -> Result<Option<Rc<Constant>>, NodeError> {
        let Some(name) = self.node.input(index) else { return Ok(None) };
        match self.graph.value(name)? {
            Value::Constant(constant) => Ok(Some(constant)),
            Value::Activation(_) => Err(NodeError::NotConstant { input: what, name: name.into() }),
        }
    }

    /// An input that doesn't depend on the image.
    pub(crate) fn constant(&mut self, index: usize, what: &'static str) -> Result<Rc<Constant>, NodeError> {
        self.optional_constant(index, what)?.ok_or(NodeError::MissingInput(what))
    }

    /// A parameter, if the node has it.
    pub(crate) fn optional_weight(&mut self, index: usize, what: &'static str) -> Result<Option<Weight>, NodeError> {
        Ok(self.optional_constant(index, what)?.map(|constant| Weight::of(&constant)))
    }

    /// A list of integers: an input in newer versions of the operators, an attribute in older ones.
    pub(crate) fn integers(&mut self, index: usize, name: &'static str) -> Result<Option<Vec<i64>>, NodeError> {
        if let Some(attribute) = self.node.integers(name)? {
            return Ok(Some(attribute.to_vec()));
        }
        let Some(constant) = self.optional_constant(index, name)? else { return Ok(None) };
        match constant.as_integers() {
            Some(integers) => Ok(Some(integers.to_vec())),
            None => Err(NodeError::unsupported(name, format_args!("floating-point"), "integers")),
        }
    }

    /// A tensor among the attributes.
    pub(crate) fn tensor(&self, name: &'static str) -> Result<Option<Constant>, NodeError> {
        self.node.tensor(name)?.map(|tensor| Constant::read(tensor, &self.graph.external)).transpose()
    }

    /// ONNX's shape of a value, N included.
    pub(crate) fn full_shape(&self, x: &Value) -> Vec<usize> {
        match x {
            Value::Constant(constant) => constant.shape.clone(),
            Value::Activation(activation) => activation.shape(),
        }
    }

    /// Counts elements of constants before they are computed.
    pub(crate) fn charge(&mut self, elements: usize) -> Result<(), NodeError> {
        self.graph.budget = self.graph.budget.checked_sub(elements).ok_or(NodeError::TooManyConstants)?;
        Ok(())
    }

    /// [`Constant::combined`], its elements counted.
    pub(crate) fn combine(
        &mut self,
        a: &Constant,
        b: &Constant,
        of_integers: impl Fn(i64, i64) -> Option<i64>,
        of_floats: impl Fn(f32, f32) -> f32,
    ) -> Result<Constant, NodeError> {
        self.charge(size(&a.broadcast(b)?))?;
        a.combined(b, of_integers, of_floats)
    }

    /// A function of each element of the first input, which doesn't depend on the image.
    pub(crate) fn of_constant(&mut self, f: fn(f32) -> f32) -> Result<Value, NodeError> {
        let x = self.constant(0, "input")?;
        self.charge(x.values.len())?;
        Ok(Constant::floats(&x.shape, x.to_floats().into_iter().map(f).collect()).into())
    }

    /// Gives a value its name.
    pub(crate) fn define(&mut self, name: &'a str, value: Value) -> Result<(), NodeError> {
        if let Value::Constant(constant) = &value {
            self.charge(size(&constant.shape))?;
        }
        if self.graph.tensors.contains_key(name) || self.graph.values.insert(name, value).is_some() {
            return Err(NodeError::ValueTaken(name.into()));
        }
        Ok(())
    }

    /// Adds a layer with its parameters, in the order of [`Layer::parameters`]. An empty `part` is the node itself.
    pub(crate) fn add(
        &mut self,
        part: &str,
        layer: impl Into<Layer>,
        inputs: &[Source],
        weights: impl IntoIterator<Item = Weight>,
    ) -> Result<Source, NodeError> {
        let name = self.node.name();
        let name = if part.is_empty() { name.to_string() } else { format!("{name}.{part}") };
        self.graph.network.add(&name, layer.into(), inputs, weights)
    }

    /// Adds a layer without parameters.
    pub(crate) fn layer(&mut self, layer: impl Into<Layer>, inputs: &[Source]) -> Result<Source, NodeError> {
        self.add("", layer, inputs, [])
    }

    /// Adds a layer with parameters.
    pub(crate) fn layer_with(
        &mut self,
        layer: impl Into<Layer>,
        x: &Activation,
        weights: impl IntoIterator<Item = Weight>,
    ) -> Result<Source, NodeError> {
        self.add("", layer, &[x.source], weights)
    }

    /// Adds a layer of the first input that leaves every value in its place.
    pub(crate) fn in_place(&mut self, layer: impl Into<Layer>) -> Result<Value, NodeError> {
        let x = self.activation(0, "input")?;
        Ok(x.of(self.layer(layer, &[x.source])?).into())
    }

    /// Adds a layer that multiplies by a number.
    pub(crate) fn scaled(&mut self, part: &str, x: &Activation, factor: f32) -> Result<Activation, NodeError> {
        let weight = Weight::new(&[1], vec![factor]);
        Ok(x.of(self.add(part, Scale { shape: vec![1] }, &[x.source], [weight])?))
    }

    /// The output of a layer that gives images, as ONNX sees it.
    pub(crate) fn image(&self, source: Source) -> Activation {
        Activation::image(source, self.graph.batch, self.graph.network.image(source))
    }

    /// A row of channels that ONNX sees as `[N, C, 1, …, 1]`, in `rank` dimensions.
    pub(crate) fn row(&self, source: Source, rank: usize) -> Activation {
        Activation::row(source, self.graph.batch, self.channels(source), rank)
    }

    /// A row of channels that ONNX sees as `[N, 1, C]`.
    pub(crate) fn line(&self, source: Source) -> Activation {
        Activation::line(source, self.graph.batch, self.channels(source))
    }

    /// The output of a layer, whose axes ONNX sees in our order after N.
    pub(crate) fn in_our_order(&self, source: Source) -> Activation {
        Activation::plain(source, self.graph.batch, self.graph.network.shape(source))
    }

    /// The output of a layer that makes images of this one, as ONNX sees it.
    pub(crate) fn image_of(&self, x: &Activation, source: Source) -> Activation {
        x.image_of(source, self.graph.network.image(source))
    }

    /// The layer that computes an input, if nothing else reads it.
    pub(crate) fn sole_layer(&mut self, index: usize) -> Option<&mut Planned> {
        let name = self.node.input(index)?;
        match self.graph.values.get(name)? {
            Value::Activation(x) if self.graph.own.contains(name) && self.graph.readers.get(name) == Some(&1) => {
                self.graph.network.planned_mut(x.source)
            }
            _ => None,
        }
    }

    /// A layer; the image is none.
    pub(crate) fn planned(&self, source: Source) -> Option<&Planned> {
        self.graph.network.planned(source)
    }

    /// The number of images in a batch.
    pub(crate) fn images(&self) -> usize {
        self.graph.batch
    }

    /// The number of channels of a layer's output, or of the image.
    pub(crate) fn channels(&self, source: Source) -> usize {
        self.graph.network.shape(source).last().copied().unwrap_or(0)
    }

    /// The last layers and what they are read as.
    pub(crate) fn last_layers<const N: usize>(&self) -> Option<[(Source, &Planned); N]> {
        self.graph.network.last()
    }

    /// Whether one node alone reads the output of a layer, under one name.
    pub(crate) fn is_read_once(&self, source: Source) -> bool {
        let is_of_layer = |value: &Value| matches!(value, Value::Activation(x) if x.source == source);
        let mut names = self.graph.values.iter().filter(|(_, value)| is_of_layer(value));
        matches!((names.next(), names.next()), (Some((name, _)), None) if self.graph.readers.get(name) == Some(&1))
    }

    /// Removes the last layers, which nothing reads any more.
    pub(crate) fn forget_last(&mut self, layers: usize) {
        self.graph.network.forget_last(layers);
    }

    /// Puts a layer of this node, with the same inputs, in the place of one without parameters.
    pub(crate) fn replace(&mut self, source: Source, layer: impl Into<Layer>) {
        self.graph.network.replace(source, self.node.name(), layer.into());
    }
}
