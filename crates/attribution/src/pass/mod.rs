//! One forward pass, and the gradients computed from it.

mod gradients;
mod input;
mod predictions;
#[cfg(test)]
mod shared;
mod shares;
mod support;
#[cfg(test)]
mod tests;
mod variants;

use std::sync::Mutex;

use nn::{Model, Real, Recorded, Source};
use tensor::{Tape, Tensor};

pub(crate) use gradients::Reading;
pub use input::Input;
pub use predictions::{Prediction, Says};
pub(crate) use shares::{Shares, misfit};
pub(crate) use support::{of_image, one_of, softmax};
pub(crate) use variants::{Runner, Variants};

use crate::error::ExplainError;
use crate::layer::LayerRef;
use crate::map::Cells;
use crate::target::Target;
use gradients::GradientCache;

/// One forward pass with all its values. Ask it [why](Self::why): every gradient method reads the same tape backwards,
/// under some rule, for any class and any layer. The model isn't changed.
///
/// The images of a batch don't influence one another. Gradients are cached for the last few targets, so all methods and
/// all layers share one backward pass per target. A pass can be used from several threads at once.
///
/// ```
/// use attribution::Pass;
/// use attribution::methods::{Cam, GradCam, GuidedBackprop};
/// use nn::Model;
/// use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
/// use tensor::Tensor;
///
/// let model = Model::builder([16, 16, 1])
///     .layer("conv1", Conv2d::new(8, 3))
///     .layer("relu1", Relu)
///     .layer("gap", GlobalAvgPool)
///     .layer("fc", Linear::new(3))
///     .build(7)?;
/// let image = Tensor::from_fn([16, 16, 1], |i| (i as f32).sin());
///
/// let pass = Pass::new(&model, &image)?;                          // the one forward pass
/// let best = &pass.top(1)[0];                                     // class, name, probability
/// let cam = pass.why(best.class).explain(&Cam)?;                  // no backward pass
/// let grad = pass.why(best.class).at("relu1").explain(&GradCam)?; // one backward pass
/// let guided = pass.why(best.class).explain(&GuidedBackprop)?;    // another rule over the same tape
/// println!("{}; {}", grad.verdict(), guided.coverage().unwrap()); // … 1 of 1 ReLU
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pass<'m, T: Real = f32> {
    pub(crate) model: &'m Model<T>,
    forward: Recorded<T>,
    /// `[N, …, K]`.
    outputs: Tensor<T>,
    cells: Vec<Option<Cells>>,
    cache: Mutex<GradientCache<T>>,
}

impl<'m, T: Real> Pass<'m, T> {
    /// Runs the model on an image or a batch: a [`Photo`](crate::Photo), or a preprocessed tensor `[H, W, C]` or
    /// `[N, H, W, C]`. The model is in evaluation mode: batch norm uses its running statistics, and dropout is off.
    ///
    /// # Errors
    /// If the image doesn't fit the model.
    pub fn new(model: &'m Model<T>, input: impl Input<T>) -> Result<Self, ExplainError> {
        let images = input.input_of(model)?;
        if images.is_empty() {
            return Err(ExplainError::NoImages);
        }
        let forward = model.record(images)?;
        let outputs = model.task().outputs(forward.logits().value());
        let cells = Cells::of_layers(model);
        Ok(Self { model, forward, outputs, cells, cache: Mutex::default() })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &'m Model<T> {
        self.model
    }

    /// Number of images, N.
    #[must_use]
    pub fn images(&self) -> usize {
        self.input().shape()[0]
    }

    /// The model's input, `[N, H, W, C]`.
    #[must_use]
    pub fn input(&self) -> &Tensor<T> {
        self.forward.input().value()
    }

    /// The scores before a softmax or sigmoid, `[N, K]`, or `[N, H, W, K]` for a map.
    #[must_use]
    pub fn logits(&self) -> &Tensor<T> {
        self.forward.logits().value()
    }

    /// The network's answer, as [`Task::outputs`](nn::Task::outputs) computes it from the scores: probabilities of classes
    /// and labels, values, or an embedding. `[N, K]`, or `[N, H, W, K]` for a map.
    #[must_use]
    pub fn outputs(&self) -> &Tensor<T> {
        &self.outputs
    }

    /// The tape, for custom backward passes.
    #[must_use]
    pub fn tape(&self) -> &Tape<T> {
        self.forward.tape()
    }

    /// The variables of the forward pass: the input, the logits, and the output of every layer.
    #[must_use]
    pub fn forward(&self) -> &Recorded<T> {
        &self.forward
    }

    /// The target's score S of each image.
    ///
    /// # Errors
    /// If the target doesn't fit the model or the batch.
    pub fn scores(&self, target: impl Into<Target<T>>) -> Result<Vec<T>, ExplainError> {
        self.scores_of(&self.resolve(&target.into())?)
    }

    /// The layers whose outputs have positions, in order. The class-activation methods apply to these layers.
    #[must_use]
    pub fn spatial_layers(&self) -> Vec<&'m str> {
        let layers = self.model.layers().iter().zip(self.model.grids());
        layers.filter(|(_, grid)| grid.is_some()).map(|(node, _)| node.name.as_str()).collect()
    }

    /// The number of backward passes whose gradients have been cached: those of the chain rule, of guided
    /// backpropagation and of the deconvnet. A pass that continues an earlier one isn't counted again.
    #[must_use]
    pub fn cached_backward_passes(&self) -> usize {
        self.cache().passes()
    }

    #[cfg(test)]
    pub(crate) fn cache_len(&self) -> usize {
        self.cache().len()
    }

    /// The positions of a layer's cells on the input, and the pixels that they read; `None` if these are unknown, for
    /// example after a layer that enlarges the picture.
    ///
    /// # Errors
    /// If there is no such layer, or its output has no positions.
    pub fn cells<'a>(&self, layer: impl Into<LayerRef<'a>>) -> Result<Option<Cells>, ExplainError> {
        Ok(self.cells[self.spatial(layer.into())?])
    }

    /// The features of a layer, each in its place: `[N, H, W, C]`.
    ///
    /// # Errors
    /// If there is no such layer, or its output has no positions.
    pub fn features_at<'a>(&self, layer: impl Into<LayerRef<'a>>) -> Result<Tensor<T>, ExplainError> {
        Ok(self.features(self.spatial(layer.into())?))
    }

    /// The gradient ∂S/∂f of the score with respect to a layer's output `[N, …]`.
    ///
    /// # Errors
    /// If there is no such layer, or the target doesn't fit.
    pub fn gradient_at<'a>(
        &self,
        layer: impl Into<LayerRef<'a>>,
        target: impl Into<Target<T>>,
    ) -> Result<Tensor<T>, ExplainError> {
        let index = self.layer(layer.into())?;
        let layer = Source::Layer(index);
        let seed = self.seed(&target.into())?;
        self.check_before(index, seed.layer)?;
        let backward = self.backward(Reading::Exact, layer, &seed)?;
        Ok(backward.at(layer).expect("computed").clone())
    }
}
