//! Putting a model together.

use std::collections::HashMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tensor::Tensor;

use super::plan::Plans;
use super::{Model, ModelError, ModelInfo, ModelNode, Parameter, Source};
use crate::layers::layer::Layer;
use crate::layers::limits::{MAX_VALUES, MAX_WORK, count};
use crate::layers::parameter::ParameterSpec;

/// The name of the image among the inputs of a layer.
pub(crate) const IMAGE: &str = "input";

/// Limit on the layers of one model.
pub(super) const MAX_LAYERS: usize = 10_000;

/// Builds a model: layers are added in order, each reading the one before it unless told otherwise.
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    input: [usize; 3],
    layers: Vec<(String, Layer, Vec<String>)>,
    info: ModelInfo,
    /// The parameters of the first layers, where these come from another model.
    pub(super) kept: Vec<Tensor<f32>>,
}

impl ModelBuilder {
    pub(crate) fn new(input: [usize; 3]) -> Self {
        Self { input, layers: Vec::new(), info: ModelInfo::default(), kept: Vec::new() }
    }

    /// Adds a layer that reads the one before it (the image, if it is the first).
    #[must_use]
    pub fn layer(self, name: impl Into<String>, layer: impl Into<Layer>) -> Self {
        let previous = self.layers.last().map_or_else(|| IMAGE.to_string(), |(name, ..)| name.clone());
        self.layer_from(name, layer, &[&previous])
    }

    /// Adds a layer that reads these layers; `"input"` is the image.
    #[must_use]
    pub fn layer_from(mut self, name: impl Into<String>, layer: impl Into<Layer>, inputs: &[&str]) -> Self {
        self.layers.push((name.into(), layer.into(), inputs.iter().map(ToString::to_string).collect()));
        self
    }

    /// Class names and normalization.
    #[must_use]
    pub fn info(mut self, info: ModelInfo) -> Self {
        self.info = info;
        self
    }

    /// Checks that everything fits, and draws the weights of all layers that don't come from a [cut](Model::cut_after) model
    /// as their [`ParameterSpec`]s say: Kaiming's normal distribution for convolutions, Xavier's uniform one for fully
    /// connected layers, zero for biases. The same seed gives the same weights.
    ///
    /// # Errors
    /// If a name is taken, unknown or has control characters, a layer doesn't fit its inputs, the last layer gives no
    /// scores, or the model is beyond the limits.
    pub fn build(mut self, seed: u64) -> Result<Model<f32>, ModelError> {
        let kept = std::mem::take(&mut self.kept);
        self.assemble(|index, _, spec| {
            if let Some(value) = kept.get(index) {
                return Ok(value.clone());
            }
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index as u64);
            Ok(spec.init.draw(&spec.shape[..], &mut rng))
        })
    }

    /// Checks that everything fits, with the parameters that `value(index, name, spec)` gives.
    pub(crate) fn assemble<E: From<ModelError>>(
        self,
        mut value: impl FnMut(usize, &str, &ParameterSpec) -> Result<Tensor<f32>, E>,
    ) -> Result<Model<f32>, E> {
        if self.layers.len() > MAX_LAYERS {
            return Err(ModelError::TooManyLayers(self.layers.len()).into());
        }
        let mut left = match count(&self.input) {
            Some(values @ 1..=MAX_VALUES) => MAX_VALUES - values,
            _ => return Err(ModelError::InputSize(self.input).into()),
        };
        let mut work = 0_u64;
        let mut sources = HashMap::from([(IMAGE.to_string(), Source::Image)]);
        let mut nodes: Vec<ModelNode> = Vec::with_capacity(self.layers.len());
        let mut parameters = Vec::new();
        for (name, layer, inputs) in self.layers {
            if name.contains(char::is_control) {
                return Err(ModelError::Name(name).into());
            }
            if sources.contains_key(&name) {
                return Err(ModelError::NameTaken(name).into());
            }
            let source = |input: &String| {
                let unknown = || ModelError::UnknownInput { layer: name.clone(), input: input.clone() };
                sources.get(input).copied().ok_or_else(unknown)
            };
            let inputs = inputs.iter().map(source).collect::<Result<Vec<_>, _>>()?;
            let shapes: Vec<&[usize]> = inputs
                .iter()
                .map(|source| match source {
                    Source::Image => &self.input[..],
                    Source::Layer(index) => &nodes[*index].output_shape,
                })
                .collect();
            let output_shape = layer.output_shape(&shapes);
            let output_shape = output_shape.map_err(|error| ModelError::Layer { layer: name.clone(), error })?;
            left = count(&output_shape)
                .and_then(|values| left.checked_sub(values))
                .ok_or_else(|| ModelError::TooManyValues { layer: name.clone() })?;
            work = work.saturating_add(layer.kind().work(shapes[0], &output_shape).total());
            if work > MAX_WORK {
                return Err(ModelError::TooMuchWork { layer: name }.into());
            }
            let first = parameters.len();
            for spec in layer.parameters(shapes[0]) {
                let full_name = format!("{name}.{}", spec.name);
                let value = value(parameters.len(), &full_name, &spec)?;
                parameters.push(Parameter { name: full_name, trainable: spec.trainable, value });
            }
            sources.insert(name.clone(), Source::Layer(nodes.len()));
            let parameters = first..parameters.len();
            nodes.push(ModelNode { name, layer, inputs, output_shape, frozen: false, parameters });
        }
        let last = nodes.last().ok_or(ModelError::Empty)?;
        if !matches!(last.output_shape.len(), 1 | 3) {
            return Err(ModelError::NoScores(last.output_shape.clone()).into());
        }
        let plans = Plans::new(&nodes);
        let model = Model { input: self.input, nodes, parameters, info: ModelInfo::default(), plans };
        Ok(model.with_info(self.info)?)
    }
}

impl Model<f32> {
    /// The same model for pictures of `[H, W]`: the same weights, and paddings as they are.
    ///
    /// # Errors
    /// If a layer doesn't fit the pictures, or a fully connected layer behind flattening the other number of positions.
    pub fn with_size(&self, [height, width]: [usize; 2]) -> Result<Self, ModelError> {
        let mut builder = ModelBuilder::new([height, width, self.input[2]]).info(self.info.clone());
        for node in &self.nodes {
            builder = self.added_to(builder, node);
        }
        builder.assemble(|index, name, spec| {
            let value = &self.parameters[index].value;
            if value.shape()[..] == spec.shape {
                return Ok(value.clone());
            }
            let (expected, found) = (spec.shape.clone(), value.shape().to_vec());
            Err(ModelError::ParameterShape { name: name.into(), expected, found })
        })
    }

    /// The builder with one more of these layers.
    pub(super) fn added_to(&self, builder: ModelBuilder, node: &ModelNode) -> ModelBuilder {
        let inputs: Vec<&str> = node.inputs.iter().map(|&source| self.source_name(source)).collect();
        builder.layer_from(node.name.as_str(), node.layer.clone(), &inputs)
    }
}
