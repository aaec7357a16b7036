//! A small MobileNet.

use super::{Head, conv_bn_relu, end};
use crate::layers::Conv2d;
use crate::model::{Model, ModelBuilder};

/// For each block: input channels, output channels, stride.
const BLOCKS: [(usize, usize, usize); 6] =
    [(16, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1)];

/// Depthwise separable convolutions (Howard et al., *MobileNets*, 2017, table 1, with fewer and narrower blocks for small
/// pictures). Each block is a depthwise 3×3 convolution and a 1×1 convolution, both with batch normalisation and ReLU.
pub(super) fn mobilenet(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let mut builder = conv_bn_relu(Model::builder(input), "stem", Conv2d::new(BLOCKS[0].0, 3));
    for (block, (before, channels, stride)) in (1..).zip(BLOCKS) {
        let depthwise = Conv2d::new(before, 3).stride(stride).groups(before);
        builder = conv_bn_relu(builder, &format!("block{block}.depthwise"), depthwise);
        builder = conv_bn_relu(builder, &format!("block{block}.pointwise"), Conv2d::new(channels, 1));
    }
    end(builder, head, classes)
}
