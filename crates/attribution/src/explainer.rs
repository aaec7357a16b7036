//! The one forward pass.

use nn::{Model, Real};
use tensor::Tensor;

use crate::error::ExplainError;
use crate::pass::Pass;
use crate::photo::Photo;

/// Explains what a model sees: [`observe`](Self::observe) runs the model once, and the [`Pass`] that it leaves behind
/// answers for every class, every layer and every method. The model stays as it is.
///
/// ```
/// use attribution::Explainer;
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
/// let pass = Explainer::new(&model).observe(&image)?;            // the one forward pass
/// let best = &pass.top(1)[0];                                    // class, name, probability
/// let cam = pass.cam(best.class)?.single();                      // a Heatmap: signed [h, w], and a verdict
/// let grad = pass.grad_cam("relu1", best.class)?.single();       // one backward pass
/// let guided = pass.guided_backprop(best.class)?;                // another rule over the same tape
/// println!("{}; {}", grad.verdict(), guided.coverage.unwrap());  // … 1 of 1 ReLU
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Explainer<'m, T: Real = f32> {
    model: &'m Model<T>,
}

impl<'m, T: Real> Explainer<'m, T> {
    /// Explains this model, in evaluation mode: running statistics in batch norm, no dropout.
    #[must_use]
    pub fn new(model: &'m Model<T>) -> Self {
        Self { model }
    }

    /// Runs the model on an image or a batch: a [`Photo`], or a tensor `[H, W, C]` or `[N, H, W, C]` that is already
    /// preprocessed.
    ///
    /// # Errors
    /// Where the image doesn't fit the model.
    pub fn observe(&self, images: impl Observable<T>) -> Result<Pass<'m, T>, ExplainError> {
        let images = images.input_of(self.model)?;
        if images.is_empty() {
            return Err(ExplainError::NoImages);
        }
        Pass::new(self.model, images)
    }
}

/// What can become a model's input.
pub trait Observable<T: Real> {
    /// The model's input, `[N, H, W, C]`.
    ///
    /// # Errors
    /// Where it doesn't fit the model.
    fn input_of(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError>;
}

/// `[N, H, W, C]`, or one image `[H, W, C]`, already preprocessed.
impl<T: Real> Observable<T> for Tensor<T> {
    fn input_of(&self, _: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        Ok(match self.shape()[..] {
            [h, w, c] => self.reshape([1, h, w, c]),
            _ => self.clone(),
        })
    }
}

/// What the model's crop leaves of the picture, resized and normalised.
impl<T: Real> Observable<T> for Photo {
    fn input_of(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        let [height, width, channels] = model.input_shape();
        let normalization = model.info().normalization.as_ref().ok_or(ExplainError::NoNormalization)?;
        let part = self.with_channels(channels)?.fit(height, width, model.info().crop);
        let mut input = Vec::with_capacity(height * width * channels);
        normalization.apply(&part.pixels().iter().copied().collect::<Vec<_>>(), &mut input);
        Ok(Tensor::new([1, height, width, channels], input).cast())
    }
}

impl<T: Real, O: Observable<T> + ?Sized> Observable<T> for &O {
    fn input_of(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        (**self).input_of(model)
    }
}
