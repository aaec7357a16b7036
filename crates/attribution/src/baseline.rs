//! The image that stands for "nothing there".

use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use tensor::Tensor;

use crate::error::ExplainError;

/// The image that stands for "nothing there". Methods compare an image with it, or cover parts of an image with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Baseline {
    /// A black picture, normalised as for the model; zero if the model has no normalization.
    #[default]
    Black,
    /// Zero in the model's input. This is the mean colour of the pictures that the normalization was computed for.
    Mean,
    /// An image, `[H, W, C]`, already preprocessed; see [`Baseline::image`].
    #[serde(skip)]
    Image(Tensor<f64>),
    /// This value everywhere in the model's input.
    #[serde(untagged)]
    Value(f64),
}

impl Baseline {
    /// An image, `[H, W, C]`, already preprocessed.
    #[must_use]
    pub fn image<T: Real>(image: &Tensor<T>) -> Self {
        Self::Image(image.cast())
    }

    /// The baseline as an input of the model, `[H, W, C]`.
    ///
    /// # Errors
    /// If the baseline is an image whose shape differs from the model's input.
    pub fn of<T: Real>(&self, model: &Model<T>) -> Result<Tensor<T>, ExplainError> {
        let [height, width, channels] = model.input_shape();
        match (self, &model.info().normalization) {
            (Self::Black, Some(normalization)) => {
                let mut black = Vec::new();
                normalization.apply(&vec![0; height * width * channels], &mut black);
                Ok(Tensor::new([height, width, channels], black).cast())
            }
            (Self::Black, None) | (Self::Mean, _) => Ok(Tensor::zeros([height, width, channels])),
            (Self::Value(value), _) => Ok(Tensor::full([height, width, channels], T::from_f64(*value))),
            (Self::Image(image), _) if image.shape()[..] == [height, width, channels] => Ok(image.cast()),
            (Self::Image(image), _) => {
                Err(ExplainError::Baseline { expected: model.input_shape(), found: image.shape().to_vec() })
            }
        }
    }
}
