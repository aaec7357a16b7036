//! LeNet-5.

use super::{Head, end};
use crate::geometry::Convolution;
use crate::layers::{Conv2d, Flatten, Linear, MaxPool, Relu};
use crate::model::{Model, ModelBuilder};

/// LeNet-5 (LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*, 1998, §II.B) as it
/// is taught today: with ReLU instead of tanh, max pooling instead of trained averages, softmax instead of radial basis functions,
/// and with a second convolution that reads all maps of the first.
///
/// The first convolution pads pictures of 28×28 to the paper's 32×32. With [`Head::GlobalAvgPool`], the pooling follows the third
/// convolution of the paper (120 maps, which there have one position), and there are no hidden fully connected layers.
pub(super) fn lenet5(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let valid = |out_channels| Conv2d { out_channels, kernel: [5, 5], conv: Convolution::default(), bias: true };
    let trunk = Model::builder(input)
        .layer("conv1", Conv2d::new(6, 5))
        .layer("relu1", Relu)
        .layer("pool1", MaxPool::new(2))
        .layer("conv2", valid(16))
        .layer("relu2", Relu);
    match head {
        Head::GlobalAvgPool => end(trunk.layer("conv3", Conv2d::new(120, 5)).layer("relu3", Relu), head, classes),
        Head::Flatten => trunk
            .layer("pool2", MaxPool::new(2))
            .layer("flatten", Flatten)
            .layer("fc1", Linear::new(120))
            .layer("relu3", Relu)
            .layer("fc2", Linear::new(84))
            .layer("relu4", Relu)
            .layer("fc3", Linear::new(classes)),
    }
}
