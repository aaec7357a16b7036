//! Models: directed acyclic graphs of named layers, and their weights.

mod algorithms;
mod attention;
mod builder;
mod error;
mod file;
mod forward;
mod grid;
mod head;
mod naming;
mod plan;
mod resume;
mod strips;
mod summary;
mod task;
mod tensors;
#[cfg(test)]
mod tests;
mod transfer;
mod weights;

use serde::{Deserialize, Serialize};
use tensor::Tensor;

pub use algorithms::Algorithms;
pub(crate) use builder::IMAGE;
pub use builder::ModelBuilder;
pub use error::{FileError, FileErrorKind, ModelError, WeightError};
pub use forward::{Forward, Recorded};
pub use grid::Grid;
pub use head::GapHead;
pub use naming::{Naming, WeightLayout};
pub use summary::{LayerSummary, Summary};
pub use task::Task;
pub use tensors::TensorError;
pub(crate) use tensors::{entry, floats, format_of, serialize};

use crate::data::{Crop, Normalization};
use crate::layers::layer::Layer;
pub use crate::layers::parameter::Parameter;
use crate::real::Real;

/// A network: named layers, each reading the image or layers before it, and their weights. The last layer gives the
/// scores (logits), `[N, classes]`, or a map of them, `[N, H, W, classes]`. [`Task`] tells what they mean.
///
/// ```
/// use nn::Model;
/// use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
/// let model = Model::builder([28, 28, 1])
///     .layer("conv1", Conv2d::new(8, 3))
///     .layer("relu1", Relu)
///     .layer("gap", GlobalAvgPool)
///     .layer("fc", Linear::new(10))
///     .build(42)?;
/// println!("{}", model.summary());
/// assert_eq!(model.summary().parameters, 3 * 3 * 8 + 8 + 8 * 10 + 10);
/// # Ok::<(), nn::ModelError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Model<T: Real = f32> {
    /// One image's input, `[H, W, C]`.
    input: [usize; 3],
    nodes: Vec<ModelNode>,
    parameters: Vec<Parameter<T>>,
    info: ModelInfo,
    plans: plan::Plans,
}

/// A layer of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelNode {
    /// Its name.
    pub name: String,
    /// Its computation.
    pub layer: Layer,
    /// Its inputs.
    pub inputs: Vec<Source>,
    /// The shape of one image's output, without N.
    pub output_shape: Vec<usize>,
    /// Whether training leaves it as it is.
    pub frozen: bool,
    /// Its entries in [`Model::parameters`].
    pub(crate) parameters: std::ops::Range<usize>,
}

/// Where a layer's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The image.
    Image,
    /// The layer with this index in [`Model::layers`].
    Layer(usize),
}

/// What a model's file holds besides layers and weights: the meaning of the scores, and preprocessing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The names of the classes, labels or values, in the order of the scores; empty if they have none. A binary classifier
    /// may have two: the name of its negative class, and that of its positive one.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The meaning of the scores; see [`Model::task`] for `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The units of the values, in the order of the scores; empty if they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// The outputs of the ONNX file that the model was read from, if there are several: first the one that gives the scores,
    /// then those that were left out.
    #[serde(skip)]
    pub outputs: Vec<String>,
    /// How a picture's bytes are normalised; `None` if the input isn't a picture.
    #[serde(default)]
    pub normalization: Option<Normalization>,
    /// Which part of a picture becomes the model's input: it is cut out and resized.
    #[serde(default)]
    pub crop: Crop,
}

impl Model<f32> {
    /// A builder of models for images `[H, W, C]`.
    #[must_use]
    pub fn builder(input: [usize; 3]) -> ModelBuilder {
        ModelBuilder::new(input)
    }
}

impl<T: Real> Model<T> {
    /// One image's shape, `[H, W, C]`.
    #[must_use]
    pub fn input_shape(&self) -> [usize; 3] {
        self.input
    }

    /// One image's output of a layer, or the image: the shape without N.
    pub(crate) fn shape_of(&self, source: Source) -> &[usize] {
        match source {
            Source::Image => &self.input,
            Source::Layer(index) => &self.nodes[index].output_shape,
        }
    }

    /// The name by which a layer is told to read it.
    pub(crate) fn source_name(&self, source: Source) -> &str {
        match source {
            Source::Image => IMAGE,
            Source::Layer(index) => &self.nodes[index].name,
        }
    }

    /// The layers, each after those it reads.
    #[must_use]
    pub fn layers(&self) -> &[ModelNode] {
        &self.nodes
    }

    /// The index of a layer in [`layers`](Self::layers).
    ///
    /// # Errors
    /// If there is no layer of that name; the error lists those there are.
    pub fn layer_index(&self, name: &str) -> Result<usize, ModelError> {
        self.nodes.iter().position(|node| node.name == name).ok_or_else(|| {
            let layers: Vec<String> = self.nodes.iter().map(|node| node.name.clone()).collect();
            ModelError::UnknownLayer { name: name.into(), suggestion: most_similar(name, &layers), layers }
        })
    }

    /// Weights, biases and running statistics, in the order of the layers.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter<T>] {
        &self.parameters
    }

    /// The parameters, whose names and shapes must stay as they are.
    pub(crate) fn parameters_mut(&mut self) -> &mut [Parameter<T>] {
        &mut self.parameters
    }

    /// The value of a parameter, such as `conv1.weight`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Tensor<T>> {
        self.parameters.iter().find(|p| p.name == name).map(|p| &p.value)
    }

    /// Replaces the value of a parameter.
    ///
    /// # Errors
    /// If there is no such parameter, or the shapes differ.
    pub fn set_parameter(&mut self, name: &str, value: Tensor<T>) -> Result<(), ModelError> {
        let parameter = self.parameters.iter_mut().find(|p| p.name == name);
        let parameter = parameter.ok_or_else(|| ModelError::UnknownParameter(name.into()))?;
        if parameter.value.shape() != value.shape() {
            let (expected, found) = (parameter.value.shape().to_vec(), value.shape().to_vec());
            return Err(ModelError::ParameterShape { name: name.into(), expected, found });
        }
        parameter.value = value;
        Ok(())
    }

    /// Class names and normalization.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The same model with other class names and normalization.
    ///
    /// # Errors
    /// If they don't fit the model's classes and channels, or a name has control characters.
    pub fn with_info(mut self, info: ModelInfo) -> Result<Self, ModelError> {
        let (names, scores) = (info.classes.len(), self.scores());
        let is_binary = (names, scores) == (2, 1) && matches!(info.task, None | Some(Task::Labels));
        if names != 0 && names != scores && !is_binary {
            return Err(ModelError::ClassNames { names, scores });
        }
        if !info.units.is_empty() && info.units.len() != scores {
            return Err(ModelError::Units { units: info.units.len(), scores });
        }
        if let Some(name) = info.classes.iter().chain(&info.units).find(|name| name.contains(char::is_control)) {
            return Err(ModelError::Name(name.clone()));
        }
        if let Some(normalization) = info.normalization.as_ref().filter(|n| n.channels() != self.input[2]) {
            let (expected, found) = (self.input[2], normalization.channels());
            return Err(ModelError::Normalization { expected, found });
        }
        self.info = info;
        Ok(self)
    }

    /// The same model in the other precision.
    #[must_use]
    pub fn cast<U: Real>(&self) -> Model<U> {
        let parameters = self.parameters.iter().map(|p| Parameter {
            name: p.name.clone(),
            trainable: p.trainable,
            value: p.value.cast(),
        });
        Model {
            input: self.input,
            nodes: self.nodes.clone(),
            parameters: parameters.collect(),
            info: self.info.clone(),
            plans: self.plans.clone(),
        }
    }
}

/// The one of `names` that differs from `name` in the fewest letters, if they are at most a third of `name`'s.
pub fn most_similar<S: AsRef<str>>(name: &str, names: &[S]) -> Option<String> {
    let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let best = names.iter().map(S::as_ref).min_by_key(|other| distance(other))?;
    (distance(best) <= name.chars().count().div_ceil(3)).then(|| best.to_string())
}
