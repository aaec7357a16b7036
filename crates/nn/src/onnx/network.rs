//! The layers that a graph becomes.

use std::collections::HashSet;

use tensor::Tensor;

use super::constant::Constant;
use super::error::{NodeError, OnnxError, TensorError};
use crate::layers::layer::Layer;
use crate::layers::parameter::ParameterSpec;
use crate::model::{IMAGE, Model, ModelBuilder, ModelError, ModelInfo, Source};

/// The layers so far.
#[derive(Debug)]
pub(crate) struct Network {
    input: [usize; 3],
    layers: Vec<Planned>,
    names: HashSet<String>,
}

/// A layer and its parameters.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) layer: Layer,
    pub(crate) inputs: Vec<Source>,
    pub(crate) weights: Vec<Tensor<f32>>,
    output: Vec<usize>,
}

/// Numbers for a parameter, in our layout.
#[derive(Clone, Debug)]
pub(crate) struct Weight {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Weight {
    pub(crate) fn new(shape: &[usize], values: Vec<f32>) -> Self {
        Self { shape: shape.to_vec(), values }
    }

    pub(crate) fn of(constant: &Constant) -> Self {
        Self { shape: constant.shape.clone(), values: constant.to_floats() }
    }

    fn fitted(self, parameter: &ParameterSpec) -> Result<Tensor<f32>, NodeError> {
        if self.shape != parameter.shape {
            let expected = format!("a {} {:?} in our layout", parameter.name, parameter.shape);
            return Err(NodeError::shape(expected, &self.shape));
        }
        // Part by part, with several values at once.
        let is_finite = |part: &[f32]| part.iter().fold(true, |all, value| all & value.is_finite());
        let Some(part) = self.values.chunks(1024).find(|part| !is_finite(part)) else {
            return Ok(Tensor::new(&self.shape[..], self.values));
        };
        let value = part.iter().find(|value| !value.is_finite()).map(ToString::to_string);
        let error = TensorError::NotFinite(value.unwrap_or_default());
        Err(NodeError::Tensor { name: parameter.name.into(), error })
    }
}

impl Network {
    pub(super) fn new(input: [usize; 3]) -> Self {
        Self { input, layers: Vec::new(), names: HashSet::from([IMAGE.to_string()]) }
    }

    /// The number of layers.
    pub(super) fn len(&self) -> usize {
        self.layers.len()
    }

    /// Adds a layer with its parameters, in the order of [`Layer::parameters`].
    pub(super) fn add(
        &mut self,
        name: &str,
        layer: Layer,
        inputs: &[Source],
        weights: impl IntoIterator<Item = Weight>,
    ) -> Result<Source, NodeError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&source| self.shape(source)).collect();
        let output = layer.output_shape(&shapes)?;
        let fitted = |(parameter, weight): (ParameterSpec, Weight)| weight.fitted(&parameter);
        let weights = layer.parameters(shapes[0]).into_iter().zip(weights).map(fitted).collect::<Result<_, _>>()?;
        let name = self.free_name(name);
        self.layers.push(Planned { name, layer, inputs: inputs.to_vec(), weights, output });
        Ok(Source::Layer(self.layers.len() - 1))
    }

    /// A layer; the image is none.
    pub(super) fn planned(&self, source: Source) -> Option<&Planned> {
        match source {
            Source::Image => None,
            Source::Layer(index) => Some(&self.layers[index]),
        }
    }

    /// As [`planned`](Self::planned), to change it.
    pub(super) fn planned_mut(&mut self, source: Source) -> Option<&mut Planned> {
        match source {
            Source::Image => None,
            Source::Layer(index) => Some(&mut self.layers[index]),
        }
    }

    /// Which layers the last one depends on; it is one of them.
    fn used(&self, last: Source) -> Vec<bool> {
        let mut used = vec![false; self.layers.len()];
        let mark = |used: &mut [bool], source: Source| {
            if let Source::Layer(index) = source {
                used[index] = true;
            }
        };
        mark(&mut used, last);
        for index in (0..self.layers.len()).rev() {
            if used[index] {
                self.layers[index].inputs.iter().for_each(|&source| mark(&mut used, source));
            }
        }
        used
    }

    /// The last layers.
    pub(super) fn last<const N: usize>(&self) -> Option<[(Source, &Planned); N]> {
        let first = self.layers.len().checked_sub(N)?;
        Some(std::array::from_fn(|i| (Source::Layer(first + i), &self.layers[first + i])))
    }

    /// Removes the last layers.
    pub(super) fn forget_last(&mut self, layers: usize) {
        let kept = self.layers.len().saturating_sub(layers);
        for planned in self.layers.drain(kept..) {
            self.names.remove(&planned.name);
        }
    }

    /// Puts a layer with the same inputs in the place of one without parameters.
    pub(super) fn replace(&mut self, source: Source, name: &str, layer: Layer) {
        let name = self.free_name(name);
        if let Some(planned) = self.planned_mut(source) {
            (planned.name, planned.layer) = (name, layer);
        }
    }

    /// The shape `[H, W, C]` of what is known to be an image.
    pub(super) fn image(&self, source: Source) -> [usize; 3] {
        self.shape(source).try_into().expect("an image [H, W, C]")
    }

    /// The shape of a layer's output, or of the image.
    pub(super) fn shape(&self, source: Source) -> &[usize] {
        match source {
            Source::Image => &self.input,
            Source::Layer(index) => &self.layers[index].output,
        }
    }

    /// The name, with a number if it is taken.
    fn free_name(&mut self, name: &str) -> String {
        let mut free = name.to_string();
        let mut number = 1;
        while free.is_empty() || !self.names.insert(free.clone()) {
            number += 1;
            free = format!("{name}.{number}");
        }
        free
    }

    /// The model whose scores `last` gives.
    pub(super) fn build(self, last: Source, info: ModelInfo) -> Result<Model, OnnxError> {
        let used = self.used(last);
        let names: Vec<String> = self.layers.iter().map(|planned| planned.name.clone()).collect();
        let name_of = |source: &Source| match *source {
            Source::Image => IMAGE,
            Source::Layer(index) => names[index].as_str(),
        };
        let mut builder = ModelBuilder::new(self.input).info(info);
        let mut weights = Vec::new();
        // Layers that the last doesn't depend on, such as those of a softmax or parts of what became one layer, are left out.
        for planned in self.layers.into_iter().zip(used).filter_map(|(planned, is_used)| is_used.then_some(planned)) {
            let inputs: Vec<&str> = planned.inputs.iter().map(name_of).collect();
            builder = builder.layer_from(planned.name, planned.layer, &inputs);
            weights.extend(planned.weights);
        }
        let mut weights = weights.into_iter();
        builder.assemble(|_, name, spec| {
            let weight = weights.next().filter(|weight| weight.shape()[..] == spec.shape[..]);
            weight.ok_or_else(|| ModelError::MissingParameter(name.into()).into())
        })
    }
}
