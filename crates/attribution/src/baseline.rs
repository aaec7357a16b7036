//! The image that stands for "nothing there".

use nn::{Model, Real};
use tensor::Tensor;

use crate::error::ExplainError;

/// The image that stands for "nothing there", with which methods compare or cover.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Baseline<T: Real = f32> {
    /// A black picture, normalised as the model says; zero where it says nothing.
    #[default]
    Black,
    /// This value everywhere, in the model's input. Zero is the mean colour of what the model was trained on.
    Value(f64),
    /// An image of its own, `[H, W, C]`, already preprocessed.
    Image(Tensor<T>),
}

impl<T: Real> Baseline<T> {
    /// The image, `[H, W, C]`.
    ///
    /// # Errors
    /// Where an image of another shape than the model takes was given.
    pub fn image(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        let [height, width, channels] = model.input_shape();
        match (self, &model.info().normalization) {
            (Self::Black, Some(normalization)) => {
                let mut black = Vec::new();
                normalization.apply(&vec![0; height * width * channels], &mut black);
                Ok(Tensor::new([height, width, channels], black).cast())
            }
            (Self::Black, None) => Ok(Tensor::zeros([height, width, channels])),
            (Self::Value(value), _) => Ok(Tensor::full([height, width, channels], T::from_f64(*value))),
            (Self::Image(image), _) if image.shape()[..] == [height, width, channels] => Ok(image.clone()),
            (Self::Image(image), _) => Err(ExplainError::Setting(format!(
                "expected a baseline [{height}, {width}, {channels}], found {}",
                image.shape()
            ))),
        }
    }
}
