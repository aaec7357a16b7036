//! Inputs of a pass.

use nn::{Model, Real};
use tensor::Tensor;

use crate::error::ExplainError;
use nn::data::photo::Photo;

/// A type that can be converted into a model's input.
pub trait Input<T: Real> {
    /// The model's input, `[N, H, W, C]`.
    ///
    /// # Errors
    /// If the value doesn't fit the model.
    fn input_of(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError>;
}

/// `[N, H, W, C]`, or one image `[H, W, C]`, already preprocessed.
impl<T: Real> Input<T> for Tensor<T> {
    fn input_of(&self, _: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        Ok(match self.shape()[..] {
            [h, w, c] => self.reshape([1, h, w, c]),
            _ => self.clone(),
        })
    }
}

/// The part of the picture selected by the model's crop, resized and normalised.
impl<T: Real> Input<T> for Photo {
    fn input_of(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        let [height, width, channels] = model.input_shape();
        let normalization = model.info().normalization.as_ref().ok_or(ExplainError::NoNormalization)?;
        let part = self.with_channels(channels)?.fit(height, width, model.info().crop);
        let mut input = Vec::with_capacity(height * width * channels);
        normalization.apply(&part.pixels().iter().copied().collect::<Vec<_>>(), &mut input);
        Ok(Tensor::new([1, height, width, channels], input).cast())
    }
}

impl<T: Real, I: Input<T> + ?Sized> Input<T> for &I {
    fn input_of(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        (**self).input_of(model)
    }
}
