//! LeNet-5.

use super::{Head, end};
use crate::geometry::Conv2d;
use crate::layer::Layer;
use crate::model::{Model, ModelBuilder};

/// LeNet-5 (LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*, 1998, §II.B) as it
/// is taught today: ReLU for tanh, max pooling for trained averages, every map of the second convolution reading every
/// map of the first, and softmax for radial basis functions.
///
/// Pictures of 28×28 are padded to the paper's 32×32 by the first convolution. With global average pooling, the third
/// convolution of the paper (120 maps, which there have one position) is followed by it, and there are no hidden fully
/// connected layers.
pub(super) fn lenet5(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let valid = |out_channels| Layer::Conv2d { out_channels, kernel: [5, 5], conv: Conv2d::default(), bias: true };
    let trunk = Model::builder(input)
        .layer("conv1", Layer::conv(6, 5))
        .layer("relu1", Layer::Relu)
        .layer("pool1", Layer::max_pool(2))
        .layer("conv2", valid(16))
        .layer("relu2", Layer::Relu);
    match head {
        Head::GlobalAvgPool => {
            end(trunk.layer("conv3", Layer::conv(120, 5)).layer("relu3", Layer::Relu), head, classes)
        }
        Head::Flatten => trunk
            .layer("pool2", Layer::max_pool(2))
            .layer("flatten", Layer::Flatten)
            .layer("fc1", Layer::linear(120))
            .layer("relu3", Layer::Relu)
            .layer("fc2", Layer::linear(84))
            .layer("relu4", Layer::Relu)
            .layer("fc3", Layer::linear(classes)),
    }
}
