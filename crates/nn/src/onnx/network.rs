//! The layers that a graph becomes.

use std::collections::{HashMap, HashSet};

use tensor::Tensor;

use super::error::{NodeError, OnnxError, TensorError};
use crate::layer::{Layer, ParameterSpec};
use crate::model::{IMAGE, Model, ModelBuilder, ModelError, ModelInfo, Source};

/// A model in the making.
#[derive(Clone, Debug)]
pub(super) struct Network {
    input: [usize; 3],
    layers: Vec<Planned>,
    names: HashSet<String>,
}

/// A layer and its weights.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) layer: Layer,
    pub(super) inputs: Vec<Source>,
    pub(super) weights: Vec<Tensor<f32>>,
    output: Vec<usize>,
}

/// Numbers for a parameter, in our layout, with the shape that they have.
#[derive(Clone, Debug)]
pub(super) struct Weight {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Weight {
    pub(super) fn new(shape: &[usize], values: Vec<f32>) -> Self {
        Self { shape: shape.to_vec(), values }
    }

    fn fitted(self, parameter: &ParameterSpec) -> Result<Tensor<f32>, NodeError> {
        if self.shape != parameter.shape {
            let expected = format!("a {} {:?} in our layout", parameter.name, parameter.shape);
            return Err(NodeError::Shape { expected, found: self.shape });
        }
        match self.values.iter().find(|value| !value.is_finite()) {
            Some(value) => {
                let error = TensorError::NotFinite(value.to_string());
                Err(NodeError::Tensor { name: parameter.name.into(), error })
            }
            None => Ok(Tensor::new(&self.shape[..], self.values)),
        }
    }
}

impl Network {
    pub(super) fn new(input: [usize; 3]) -> Self {
        Self { input, layers: Vec::new(), names: HashSet::from([IMAGE.to_string()]) }
    }

    /// Layers so far.
    pub(super) fn len(&self) -> usize {
        self.layers.len()
    }

    /// Adds a layer with its parameters, in the order of [`Layer::parameters`].
    pub(super) fn add(
        &mut self,
        name: &str,
        layer: Layer,
        inputs: &[Source],
        weights: Vec<Weight>,
    ) -> Result<Source, NodeError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&source| self.shape(source)).collect();
        let output = layer.output_shape(&shapes)?;
        let fitted = |(parameter, weight): (ParameterSpec, Weight)| weight.fitted(&parameter);
        let weights = layer.parameters(shapes[0]).into_iter().zip(weights).map(fitted).collect::<Result<_, _>>()?;
        let name = self.free_name(name);
        self.layers.push(Planned { name, layer, inputs: inputs.to_vec(), weights, output });
        Ok(Source::Layer(self.layers.len() - 1))
    }

    /// Makes x·sigmoid(x) of the sigmoid of x, where that is the last layer.
    pub(super) fn sigmoid_becomes_silu(&mut self, name: &str, x: Source, gate: Source) -> bool {
        let is_last = gate == Source::Layer(self.layers.len().wrapping_sub(1));
        let is_sigmoid = |planned: &Planned| planned.layer == Layer::Sigmoid && planned.inputs == [x];
        if !is_last || !self.layers.last().is_some_and(is_sigmoid) {
            return false;
        }
        let name = self.free_name(name);
        let last = self.layers.last_mut().expect("it was just looked at");
        (last.name, last.layer) = (name, Layer::Silu);
        true
    }

    /// Gives these numbers to a convolution or a fully connected layer without a bias, if they are one for it.
    pub(super) fn becomes_bias(&mut self, source: Source, shape: &[usize], values: &[f32]) -> bool {
        let Source::Layer(index) = source else { return false };
        let planned = &mut self.layers[index];
        let (Layer::Conv2d { out_channels: outputs, bias, .. } | Layer::Linear { out_features: outputs, bias }) =
            &mut planned.layer
        else {
            return false;
        };
        let is_one = shape == [*outputs] && !*bias && values.iter().all(|value| value.is_finite());
        if is_one {
            *bias = true;
            planned.weights.push(Tensor::new([*outputs], values.to_vec()));
        }
        is_one
    }

    /// The shape `[H, W, C]` of what is known to be a picture.
    pub(super) fn image(&self, source: Source) -> [usize; 3] {
        self.shape(source).try_into().expect("a picture [H, W, C]")
    }

    fn shape(&self, source: Source) -> &[usize] {
        match source {
            Source::Image => &self.input,
            Source::Layer(index) => &self.layers[index].output,
        }
    }

    /// The name, or with a number if it is taken.
    fn free_name(&mut self, name: &str) -> String {
        let mut free = name.to_string();
        let mut number = 1;
        while free.is_empty() || !self.names.insert(free.clone()) {
            number += 1;
            free = format!("{name}.{number}");
        }
        free
    }

    /// The model, its scores being given by `last`.
    pub(super) fn build(self, last: Source, info: ModelInfo) -> Result<Model, OnnxError> {
        let end = match last {
            Source::Image => 0,
            Source::Layer(index) => index + 1,
        };
        let mut builder = ModelBuilder::new(self.input).info(info);
        let mut weights = HashMap::new();
        let names: Vec<String> = self.layers.iter().map(|planned| planned.name.clone()).collect();
        let name_of = |source: &Source| match *source {
            Source::Image => IMAGE,
            Source::Layer(index) => names[index].as_str(),
        };
        // What the scores don't need, such as a softmax behind them, is left out.
        for planned in self.layers.into_iter().take(end) {
            let inputs: Vec<&str> = planned.inputs.iter().map(name_of).collect();
            weights.insert(planned.name.clone(), planned.weights.into_iter());
            builder = builder.layer_from(planned.name, planned.layer, &inputs);
        }
        builder.assemble(|_, _, _, name, _| {
            let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
            let weight = weights.get_mut(layer).and_then(Iterator::next);
            weight.ok_or_else(|| ModelError::MissingParameter(name.into()).into())
        })
    }
}
