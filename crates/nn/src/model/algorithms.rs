//! How a model's convolutions are computed.

use super::Model;
use crate::kernels::conv::{Algorithm, Pass, choose};

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
            let image = self.shape_of(node.inputs[0]).try_into().ok()?;
            let geometry = node.layer.kind().convolution(image)?.expect("a layer of a model fits its input");
            // A transposed convolution is the input gradient of the convolution that it is the transpose of.
            let (mut forward, mut input_gradient) = (Pass::Forward, Pass::InputGradient);
            if geometry.output_shape()[1..] != node.output_shape {
                std::mem::swap(&mut forward, &mut input_gradient);
            }
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
    use crate::geometry::{Convolution, TransposedConvolution};
    use crate::layers::{Conv2d, ConvTranspose2d, GlobalAvgPool, Linear, Relu};

    #[test]
    fn a_transposed_convolution_exchanges_the_roles_of_a_convolution() {
        let transposed = TransposedConvolution::from(Convolution::default().stride(2));
        let model = Model::builder([28, 28, 3])
            .layer("conv", Conv2d::new(64, 3))
            .layer("relu", Relu)
            .layer("up", ConvTranspose2d { out_channels: 3, kernel: [2, 2], transposed, bias: true })
            .layer("gap", GlobalAvgPool)
            .layer("fc", Linear::new(2))
            .build(1)
            .unwrap();
        let [conv, up] = &model.algorithms()[..] else { panic!("two convolutions: {:?}", model.algorithms()) };
        assert_eq!((conv.forward, conv.input_gradient), (Algorithm::Padded, Algorithm::Columns));
        assert_eq!((&*up.layer, up.forward, up.input_gradient), ("up", conv.input_gradient, conv.forward));
    }
}
