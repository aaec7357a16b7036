//! The fully connected layer.

#[cfg(feature = "onnx")]
mod onnx;

use super::affine::{gradients, written};
use super::inputs::one;
use super::parameter::channels;
use crate::layers::prelude::*;

/// Fully connected, `[N, in]` → `[N, out]`; parameters `weight` `[in, out]` and `bias` `[out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("linear, {}", self.out_features)]
pub struct Linear {
    /// Outputs.
    pub out_features: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Linear {
    /// With a bias.
    #[must_use]
    pub fn new(out_features: usize) -> Self {
        Self { out_features, bias: true }
    }

    /// Without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }
}

impl Kind for Linear {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        match *one(inputs)? {
            [_] => LayerError::unless(self.out_features > 0, "the number of outputs", 0, "at least one")?,
            ref found => return Err(LayerError::shape("[N, C] (after flatten or global average pooling)", found)),
        }
        Ok(vec![self.out_features])
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Lost
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        let (fan_in, fan_out) = (channels(input), self.out_features);
        let weight = ParameterSpec::trained("weight", [fan_in, fan_out], Init::XavierUniform { fan_in, fan_out });
        ParameterSpec::weight_and_bias(weight.torch_axes(&[1, 0]).over_input(0), self.bias.then_some(fan_out))
    }

    fn work(&self, input: &[usize], output: &[usize]) -> Work {
        let [inputs, outputs] = [input, output].map(|shape| shape.iter().product::<usize>() as u64);
        Work { multiply_adds: inputs.saturating_mul(outputs), ..Work::LITTLE }
    }

    fn fuses(&self) -> Fuses {
        Fuses::Begins
    }

    fn add_bias(&mut self, shape: &[usize]) -> bool {
        let is_added = !self.bias && shape == [self.out_features];
        self.bias |= is_added;
        is_added
    }
}

/// Y = X·W + b: `[N, in]·[in, out] + [out]` → `[N, out]`.
///
/// As for any matrix product, ∂X = ∂Y·Wᵀ and ∂W = Xᵀ·∂Y; the bias is added to every row, so ∂b = Σₙ ∂Yₙ.
impl<T: Real> Op<T> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, w) = (node.input(0), node.input(1));
        let input = |dx: &mut [T]| T::linear_input_gradient(&upstream, w, dx);
        gradients(node, &upstream, wanted, input, |dw| T::linear_weight_gradient(x, &upstream, dw))
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn nature(&self) -> Nature {
        Nature::Affine { bias: Some(2) }
    }
}

impl Record for Linear {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, w, bias) = (run.input(), run.parameter(0), run.optional_parameter(1));
        let shape = [x.shape()[0], self.out_features];
        let inputs: Vec<&Var<T>> = [&x, w].into_iter().chain(bias).collect();
        let [x, w] = [&x, w].map(Var::to_value);
        let bias = bias.map(Var::to_value);
        run.share.record(*self, &inputs, shape, move |finish| {
            let bias = bias.as_ref().map(|bias| bias.get().as_slice());
            written(shape, |y| {
                T::linear(x.get(), w.get(), bias, y);
                T::finish(finish, y);
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Linear;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_matrix_product_plus_the_bias() {
        let tape = Tape::new();
        let [x, w, b] = [random([3, 4], 1), random([4, 5], 2), random([5], 3)].map(|t| tape.leaf(t));
        let literal = x.matmul(&w).add(&b);
        approx::assert_abs_diff_eq!(x.apply_with(Linear::new(5), &[&w, &b]).value(), literal.value(), epsilon = 1e-14);
    }
}
