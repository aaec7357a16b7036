//! Values in units of their standard deviation.

use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::error::TrainError;
use crate::data::{DataError, Dataset, Truth};
use crate::layers::Layer;
use crate::model::Model;

/// The mean μ and the standard deviation σ of each value of a set of images.
///
/// A network is trained to give z = (v − μ)/σ for the value v, so that neither the learning rate nor the initial weights depend
/// on the value's unit. Its last layer, z = x·W + b, then gives v = x·(σW) + (σb + μ): the model has real units before and
/// after a training, and in every file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standard {
    /// μ of each value.
    mean: Vec<f64>,
    /// σ of each value.
    deviation: Vec<f64>,
}

impl Standard {
    /// The (population) statistics of the values of these images. The deviation of a constant value is set to 1.
    ///
    /// # Errors
    /// If a truth can't be read.
    ///
    /// # Panics
    /// If there are no images, or they have no values.
    pub fn of(images: &dyn Dataset) -> Result<Self, DataError> {
        let (count, values) = (images.len(), images.class_names().len());
        assert!(count > 0, "the statistics of no values");
        let moments = |about: &[f64], power: i32| {
            let mut sums = vec![0.0; values];
            for index in 0..count {
                let Truth::Values(row) = images.truth(index)? else { panic!("the images have no values") };
                let terms = row.iter().zip(about).map(|(&value, about)| (f64::from(value) - about).powi(power));
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
            Ok::<_, DataError>(sums.into_iter().map(|sum| sum / count as f64).collect::<Vec<_>>())
        };
        let mean = moments(&vec![0.0; values], 1)?;
        let deviation =
            moments(&mean, 2)?.into_iter().map(|variance| if variance > 0.0 { variance.sqrt() } else { 1.0 });
        Ok(Self { mean, deviation: deviation.collect() })
    }

    /// Values `[N, K]` in units of σ about μ.
    #[must_use]
    pub fn standardized(&self, values: &Tensor<f32>) -> Tensor<f32> {
        let mut standardized = values.clone();
        for row in standardized.make_mut().chunks_exact_mut(self.mean.len()) {
            for (value, (mean, deviation)) in row.iter_mut().zip(self.mean.iter().zip(&self.deviation)) {
                *value = ((f64::from(*value) - mean) / deviation) as f32;
            }
        }
        standardized
    }

    /// Makes a model that gives z, as a new one does, give the values: its last layer's weights and bias are changed.
    ///
    /// # Errors
    /// If the last layer isn't a fully connected one with a bias for these values.
    pub fn apply(&self, model: &mut Model<f32>) -> Result<(), TrainError> {
        self.change(model, |weight, deviation| weight * deviation, |bias, mean, deviation| bias * deviation + mean)
    }

    /// The reverse of [`apply`](Self::apply), up to rounding.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn undo(&self, model: &mut Model<f32>) -> Result<(), TrainError> {
        self.change(model, |weight, deviation| weight / deviation, |bias, mean, deviation| (bias - mean) / deviation)
    }

    fn change(
        &self,
        model: &mut Model<f32>,
        weight: impl Fn(f64, f64) -> f64,
        bias: impl Fn(f64, f64, f64) -> f64,
    ) -> Result<(), TrainError> {
        let last = model.layers().last().expect("a model has layers");
        let values = self.mean.len();
        let Layer::Linear(linear) = &last.layer else { return Err(self.last_layer(model)) };
        if !linear.bias || linear.out_features != values {
            return Err(self.last_layer(model));
        }
        let range = last.parameters.clone();
        for parameter in &mut model.parameters_mut()[range] {
            let is_bias = parameter.value.shape().len() == 1;
            for (at, value) in parameter.value.make_mut().iter_mut().enumerate() {
                let (old, k) = (f64::from(*value), at % values);
                let new =
                    if is_bias { bias(old, self.mean[k], self.deviation[k]) } else { weight(old, self.deviation[k]) };
                *value = new as f32;
            }
        }
        Ok(())
    }

    fn last_layer(&self, model: &Model<f32>) -> TrainError {
        let last = model.layers().last().expect("a model has layers");
        TrainError::LastLayer { layer: last.name.clone(), kind: last.layer.to_string(), values: self.mean.len() }
    }
}
