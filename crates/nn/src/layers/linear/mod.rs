//! The fully connected layer.

#[cfg(feature = "onnx")]
mod onnx;

use super::affine::{gradients, written};
use super::inputs::one;
use super::parameter::channels;
use crate::layers::prelude::*;

/// Fully connected, `[N, in]` → `[N, out]`, or the same for each token, `[N, T, in]` → `[N, T, out]`; parameters `weight`
/// `[in, out]` and `bias` `[out]`. For each position of an image `[N, H, W, in]` it is a convolution of one pixel.
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
        let input = one(inputs)?;
        match *input {
            [] | [_, _, _] => Err(LayerError::shape("[N, C] (after flatten or global average pooling)", input)),
            [ref leading @ .., _] => {
                LayerError::unless(self.out_features > 0, "the number of outputs", 0, "at least one")?;
                Ok([leading, &[self.out_features]].concat())
            }
        }
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Channels
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        let (fan_in, fan_out) = (channels(input), self.out_features);
        let weight = ParameterSpec::trained("weight", [fan_in, fan_out], Init::XavierUniform { fan_in, fan_out });
        ParameterSpec::weight_and_bias(weight.torch_axes(&[1, 0]).over_input(0), self.bias.then_some(fan_out))
    }

    fn work(&self, input: &[usize], output: &[usize]) -> Work {
        Work::of_rows(input, output)
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

/// Y = X·W + b: `[R, in]·[in, out] + [out]` → `[R, out]`, where the R rows are the images, or the tokens of all images.
///
/// As for any matrix product, ∂X = ∂Y·Wᵀ and ∂W = Xᵀ·∂Y; the bias is added to every row, so ∂b = Σₙ ∂Yₙ.
impl<T: Real> Op<T> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, w) = (rows(node.input(0)), node.input(1));
        let of_rows = rows(&upstream);
        let input = |dx: &mut [T]| T::linear_input_gradient(&of_rows, w, dx);
        gradients(node, &upstream, wanted, input, |dw| T::linear_weight_gradient(&x, &of_rows, dw))
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn nature(&self) -> Nature {
        Nature::Affine { bias: Some(2) }
    }
}

/// A tensor `[…, C]` as a matrix `[R, C]`.
fn rows<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    let channels = x.shape().last().copied().unwrap_or(0);
    x.reshape([x.len() / channels.max(1), channels])
}

impl Record for Linear {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, w, bias) = (run.input(), run.parameter(0), run.optional_parameter(1));
        let shape = x.shape().with(x.shape().len() - 1, self.out_features);
        let inputs: Vec<&Var<T>> = [&x, w].into_iter().chain(bias).collect();
        let [x, w] = [&x, w].map(Var::to_value);
        let bias = bias.map(Var::to_value);
        run.share.record(*self, &inputs, shape, move |finish| {
            let bias = bias.as_ref().map(|bias| bias.get().as_slice());
            written(shape, |y| {
                T::linear(&rows(x.get()), w.get(), bias, y);
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

    #[test]
    fn each_token_is_a_row() {
        let tape = Tape::new();
        let [x, w, b] = [random([2, 3, 4], 1), random([4, 5], 2), random([5], 3)].map(|t| tape.leaf(t));
        let rows = x.reshape([6, 4]).apply_with(Linear::new(5), &[&w, &b]);
        let tokens = x.apply_with(Linear::new(5), &[&w, &b]);
        assert_eq!(tokens.value(), &rows.value().reshape([2, 3, 5]));
        let vars = [random([2, 3, 4], 1), random([4, 5], 2), random([5], 3)];
        gradcheck(&vars, |v| v[0].apply_with(Linear::new(5), &[&v[1], &v[2]]).tanh()).within(1e-7).unwrap();
    }
}
