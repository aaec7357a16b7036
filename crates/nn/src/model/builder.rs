//! Putting a model together.

use std::collections::HashMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tensor::Tensor;

use super::{Model, ModelError, ModelInfo, ModelNode, Parameter, Source};
use crate::init;
use crate::layer::{Layer, MOST_VALUES, MOST_WORK, count};

/// The name that stands for the image among the inputs of a layer.
pub(crate) const IMAGE: &str = "input";

/// Layers of one model, at most.
pub(super) const MOST_LAYERS: usize = 10_000;

/// A model in the making: layers are added in order, each reading the one before it unless told otherwise.
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
    pub fn layer(self, name: impl Into<String>, layer: Layer) -> Self {
        let previous = self.layers.last().map_or_else(|| IMAGE.to_string(), |(name, ..)| name.clone());
        self.layer_from(name, layer, &[&previous])
    }

    /// Adds a layer that reads these layers; `"input"` is the image.
    #[must_use]
    pub fn layer_from(mut self, name: impl Into<String>, layer: Layer, inputs: &[&str]) -> Self {
        self.layers.push((name.into(), layer, inputs.iter().map(ToString::to_string).collect()));
        self
    }

    /// Class names and normalization.
    #[must_use]
    pub fn info(mut self, info: ModelInfo) -> Self {
        self.info = info;
        self
    }

    /// Checks that everything fits, and draws the weights of all layers that aren't of a [cut](Model::cut_after) model:
    /// Kaiming's normal distribution for convolutions, Xavier's uniform one for fully connected layers, zero for biases
    /// ([`init`]). The same seed gives the same weights.
    ///
    /// # Errors
    /// Where a name is taken, unknown or has control characters, a layer doesn't fit its inputs, the last layer gives no
    /// scores, or the model is larger than can be meant.
    pub fn build(mut self, seed: u64) -> Result<Model<f32>, ModelError> {
        let kept = std::mem::take(&mut self.kept);
        self.assemble(|index, layer, input_channels, name, shape| {
            if let Some(value) = kept.get(index) {
                return Ok(value.clone());
            }
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index as u64);
            Ok(init::parameter(layer, name, input_channels, shape, &mut rng))
        })
    }

    /// Checks that everything fits, with the parameters that `value(index, layer, channels in, name, shape)` gives.
    pub(crate) fn assemble<E: From<ModelError>>(
        self,
        mut value: impl FnMut(usize, &Layer, usize, &str, &[usize]) -> Result<Tensor<f32>, E>,
    ) -> Result<Model<f32>, E> {
        if self.layers.len() > MOST_LAYERS {
            return Err(ModelError::TooManyLayers(self.layers.len()).into());
        }
        let mut left = match count(&self.input) {
            Some(values @ 1..=MOST_VALUES) => MOST_VALUES - values,
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
            work = work.saturating_add(layer.work(shapes[0], &output_shape));
            if work > MOST_WORK {
                return Err(ModelError::TooMuchWork { layer: name }.into());
            }
            let first = parameters.len();
            for spec in layer.parameters(shapes[0]) {
                let full_name = format!("{name}.{}", spec.name);
                let channels = shapes[0].last().copied().unwrap_or(0);
                let value = value(parameters.len(), &layer, channels, &full_name, &spec.shape)?;
                parameters.push(Parameter { name: full_name, trainable: spec.trainable, value });
            }
            sources.insert(name.clone(), Source::Layer(nodes.len()));
            let parameters = first..parameters.len();
            nodes.push(ModelNode { name, layer, inputs, output_shape, frozen: false, parameters });
        }
        let last = nodes.last().ok_or(ModelError::Empty)?;
        if last.output_shape.len() != 1 {
            return Err(ModelError::NoScores(last.output_shape.clone()).into());
        }
        Model { input: self.input, nodes, parameters, info: ModelInfo::default() }.with_info(self.info).map_err(E::from)
    }
}

impl Model<f32> {
    /// The same model for pictures of `[H, W]`: the same weights, and paddings as they are.
    ///
    /// # Errors
    /// Where a layer doesn't fit the pictures, or a fully connected layer behind flattening the other number of positions.
    pub fn with_size(&self, [height, width]: [usize; 2]) -> Result<Self, ModelError> {
        let mut builder = ModelBuilder::new([height, width, self.input[2]]).info(self.info.clone());
        for node in &self.nodes {
            builder = self.added_to(builder, node);
        }
        builder.assemble(|index, _, _, name, shape| {
            let value = &self.parameters[index].value;
            match value.shape()[..] == *shape {
                true => Ok(value.clone()),
                false => {
                    let (expected, found) = (shape.to_vec(), value.shape().to_vec());
                    Err(ModelError::ParameterShape { name: name.into(), expected, found })
                }
            }
        })
    }

    /// A model in the making with one of these layers more.
    pub(super) fn added_to(&self, builder: ModelBuilder, node: &ModelNode) -> ModelBuilder {
        let inputs: Vec<&str> = node.inputs.iter().map(|&source| self.source_name(source)).collect();
        builder.layer_from(node.name.as_str(), node.layer.clone(), &inputs)
    }
}
