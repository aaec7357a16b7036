//! The rest of a forward pass, from a layer on.

use tensor::{Keep, Tape, Tensor, Var};

use super::{Forward, Mode, Model, Source};
use crate::real::Real;

impl<T: Real> Model<T> {
    /// The scores `[M, classes]` that would follow if the layer at this place gave `outputs` `[M, …]` for one image of an
    /// earlier pass. Only the layers after it are run; what they read from before it is that image's, as it was.
    ///
    /// # Panics
    /// Where there is no such layer or image, `outputs` isn't of the layer's shape, or the earlier pass didn't keep all
    /// values.
    #[must_use]
    pub fn resume(&self, layer: usize, outputs: &Tensor<T>, earlier: &Forward<T>, image: usize) -> Tensor<T> {
        let expected = &self.nodes[layer].output_shape;
        assert_eq!(&outputs.shape()[1..], expected, "outputs of layer `{}`", self.nodes[layer].name);
        let tape = Tape::keeping(Keep::Nothing);
        let later = self.nodes[layer + 1..].iter().map(|node| node.parameters.start).min();
        let first = later.unwrap_or(self.parameters.len());
        let parameters: Vec<Option<Var<T>>> = (self.parameters.iter().enumerate())
            .map(|(index, p)| (p.trainable && index >= first).then(|| tape.leaf(p.value.clone())))
            .collect();
        let copies = |value: &Tensor<T>| {
            let each = value.len() / value.shape()[0];
            let one = &value.as_slice()[image * each..][..each];
            tape.leaf(Tensor::new(value.shape().with(0, outputs.shape()[0]), one.repeat(outputs.shape()[0])))
        };
        let mut activations = vec![tape.leaf(outputs.clone())];
        for index in layer + 1..self.nodes.len() {
            let input = |source: &Source| match *source {
                Source::Layer(from) if from >= layer => activations[from - layer].clone(),
                Source::Layer(from) => copies(earlier.activation(from).value()),
                Source::Image => copies(earlier.input.value()),
            };
            let inputs = self.nodes[index].inputs.iter().map(input).collect();
            activations.push(self.apply(index, inputs, false, &parameters, Mode::Evaluation, &mut Vec::new()));
        }
        activations.pop().expect("the layer's own outputs").value().clone()
    }
}
