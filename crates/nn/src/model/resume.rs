//! Resuming a forward pass after a layer.

use tensor::{Keep, Tape, Tensor};

use super::{Model, Recorded, Source};
use crate::layers::run::{Mode, Share};
use crate::real::Real;

impl<T: Real> Model<T> {
    /// The outputs `[M, …]` of the layer `to`, such as the scores, if the outputs of an earlier `layer` were `outputs` `[M, …]`.
    /// Only the layers between are run. The other values that they read are those of one image of an earlier pass.
    ///
    /// # Panics
    /// If `layer`, `to` or `image` is out of range, `outputs` hasn't the layer's shape, or the earlier pass didn't keep all
    /// values.
    #[must_use]
    pub fn resume(
        &self,
        layer: usize,
        to: usize,
        outputs: &Tensor<T>,
        earlier: &Recorded<T>,
        image: usize,
    ) -> Tensor<T> {
        let expected = &self.nodes[layer].output_shape;
        assert_eq!(&outputs.shape()[1..], expected, "outputs of layer `{}`", self.nodes[layer].name);
        let tape = Tape::keeping(Keep::Nothing);
        let parameters = self.variables(layer + 1..to + 1, |p| tape.leaf(p.value.clone()));
        let copies = |value: &Tensor<T>| {
            let each = value.len() / value.shape()[0];
            let one = &value.as_slice()[image * each..][..each];
            tape.leaf(Tensor::new(value.shape().with(0, outputs.shape()[0]), one.repeat(outputs.shape()[0])))
        };
        let mut activations = vec![tape.leaf(outputs.clone())];
        for index in layer + 1..to + 1 {
            let input = |source: &Source| match *source {
                Source::Layer(from) if from >= layer => activations[from - layer].clone(),
                Source::Layer(from) => copies(earlier.activation(from).value()),
                Source::Image => copies(earlier.input().value()),
            };
            let inputs = self.nodes[index].inputs.iter().map(input).collect();
            activations.push(self.apply(index, inputs, Share::Apart, &parameters, Mode::Evaluation, &mut Vec::new()));
        }
        activations.pop().expect("the layer's own outputs").value().clone()
    }
}
