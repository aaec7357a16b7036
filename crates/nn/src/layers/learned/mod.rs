//! Values that don't depend on the image.

#[cfg(feature = "onnx")]
mod onnx;

use super::inputs::one;
use crate::layers::prelude::*;
use crate::layers::shape::by_times;

/// The same trained values for every image, `[N, …]` → `[N, shape…]`, such as the class token of a vision transformer (Dosovitskiy
/// et al. 2021, eq. 1); parameter `value` of the given shape. Of the input, only the number of images counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("learned {}", by_times(&self.shape))]
pub struct Learned {
    /// The shape, without N.
    pub shape: Vec<usize>,
}

impl Kind for Learned {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        one(inputs)?;
        Ok(self.shape.clone())
    }

    fn parameters(&self, _: &[usize]) -> Vec<ParameterSpec> {
        vec![ParameterSpec::trained("value", self.shape.clone(), Init::Constant(0.0))]
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Lost
    }
}

impl Record for Learned {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, value) = (run.input(), run.parameter(0));
        let shape = [&x.shape()[..1], &self.shape[..]].concat();
        x.tape().leaf(Tensor::full(shape, T::zero())).add(value)
    }
}
