//! How a model's convolutions are computed.

use super::{Model, Source};
use crate::kernels::conv::{Algorithm, Pass, choose};
use crate::layer::Layer;

/// The algorithms of one convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithms {
    /// The layer's name.
    pub layer: String,
    /// Of its output.
    pub forward: Algorithm,
    /// Of the gradient by its input.
    pub input_gradient: Algorithm,
    /// Of the gradient by its weights.
    pub weight_gradient: Algorithm,
}

impl Model<f32> {
    /// How each convolution is computed, as [`choose`] has it. (In `f64` all run on the reference path.)
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithms> {
        let convolution = |node: &super::ModelNode| {
            let image = match node.inputs[0] {
                Source::Image => self.input,
                Source::Layer(index) => self.nodes[index].output_shape[..].try_into().ok()?,
            };
            let geometry = node.layer.convolution(image)?.expect("a layer of a model fits its input");
            // A transposed convolution is the input gradient of the convolution that it is the transpose of.
            let [forward, input_gradient] = match node.layer {
                Layer::ConvTranspose2d { .. } => [Pass::InputGradient, Pass::Forward],
                _ => [Pass::Forward, Pass::InputGradient],
            };
            Some(Algorithms {
                layer: node.name.clone(),
                forward: choose(&geometry, forward),
                input_gradient: choose(&geometry, input_gradient),
                weight_gradient: choose(&geometry, Pass::WeightGradient),
            })
        };
        self.nodes.iter().filter_map(convolution).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, ConvTranspose2d};

    #[test]
    fn a_transposed_convolution_exchanges_the_roles_of_a_convolution() {
        let transposed = ConvTranspose2d::from(Conv2d::default().stride(2));
        let model = Model::builder([28, 28, 3])
            .layer("conv", Layer::conv(64, 3))
            .layer("relu", Layer::Relu)
            .layer("up", Layer::ConvTranspose2d { out_channels: 3, kernel: [2, 2], transposed, bias: true })
            .layer("gap", Layer::GlobalAvgPool)
            .layer("fc", Layer::linear(2))
            .build(1)
            .unwrap();
        let [conv, up] = &model.algorithms()[..] else { panic!("two convolutions: {:?}", model.algorithms()) };
        assert_eq!((conv.forward, conv.input_gradient), (Algorithm::Padded, Algorithm::Columns));
        assert_eq!((&*up.layer, up.forward, up.input_gradient), ("up", conv.input_gradient, conv.forward));
    }
}
