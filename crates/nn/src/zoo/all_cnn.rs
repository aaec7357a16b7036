//! The All-CNN.

use super::{Head, end};
use crate::layers::{Conv2d, Dropout, Relu};
use crate::model::{Model, ModelBuilder};

/// All-CNN-C (Springenberg, Dosovitskiy, Brox and Riedmiller, *Striving for simplicity: the all convolutional net*, 2015,
/// tables 1 and 2): convolutions of stride 2 replace pooling.
///
/// In the paper, a 1×1 convolution computes a map for each class, and the means of these maps are the scores. Means commute with
/// linear maps, so global average pooling followed by one fully connected layer gives the same scores with the same weights (except
/// for the ReLU that the paper puts between), and is the form that CAM needs.
pub(super) fn all_cnn_c(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let layers = [
        Conv2d::new(96, 3),
        Conv2d::new(96, 3),
        Conv2d::new(96, 3).stride(2),
        Conv2d::new(192, 3),
        Conv2d::new(192, 3),
        Conv2d::new(192, 3).stride(2),
        Conv2d::new(192, 3),
        Conv2d::new(192, 1),
    ];
    let mut builder = Model::builder(input).layer("dropout0", Dropout { probability: 0.2 });
    for (number, conv) in (1..).zip(layers) {
        builder = builder.layer(format!("conv{number}"), conv).layer(format!("relu{number}"), Relu);
        if number % 3 == 0 {
            builder = builder.layer(format!("dropout{number}"), Dropout { probability: 0.5 });
        }
    }
    end(builder, head, classes)
}
