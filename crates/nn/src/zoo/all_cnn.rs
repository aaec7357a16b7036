//! The All-CNN.

use super::{Head, end};
use crate::layer::Layer;
use crate::model::{Model, ModelBuilder};

/// All-CNN-C (Springenberg, Dosovitskiy, Brox and Riedmiller, *Striving for simplicity: the all convolutional net*, 2015,
/// tables 1 and 2): where others pool, a convolution of stride 2.
///
/// In the paper a 1×1 convolution gives the classes' maps, and their means are the scores. The mean of a linear map is
/// the linear map of the mean: global average pooling first, then one fully connected layer, gives the same scores with
/// the same weights (but for the ReLU that the paper puts between), and is the form that CAM knows.
pub(super) fn all_cnn_c(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let layers = [
        Layer::conv(96, 3),
        Layer::conv(96, 3),
        Layer::conv(96, 3).stride(2),
        Layer::conv(192, 3),
        Layer::conv(192, 3),
        Layer::conv(192, 3).stride(2),
        Layer::conv(192, 3),
        Layer::conv(192, 1),
    ];
    let mut builder = Model::builder(input).layer("dropout0", Layer::Dropout { probability: 0.2 });
    for (number, conv) in (1..).zip(layers) {
        builder = builder.layer(format!("conv{number}"), conv).layer(format!("relu{number}"), Layer::Relu);
        if number % 3 == 0 {
            builder = builder.layer(format!("dropout{number}"), Layer::Dropout { probability: 0.5 });
        }
    }
    end(builder, head, classes)
}
