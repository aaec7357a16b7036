//! A small MobileNet.

use super::{Head, conv_bn_relu, end};
use crate::layer::Layer;
use crate::model::{Model, ModelBuilder};

/// Channels in, channels out and stride of each block.
const BLOCKS: [(usize, usize, usize); 6] =
    [(16, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1)];

/// Depthwise separable convolutions (Howard et al., *MobileNets*, 2017, table 1, with fewer and narrower blocks for small
/// pictures): in each block a 3×3 convolution of every channel by itself, then a 1×1 convolution that mixes them, both
/// with batch normalisation and ReLU.
pub(super) fn mobilenet(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let mut builder = conv_bn_relu(Model::builder(input), "stem", Layer::conv(BLOCKS[0].0, 3));
    for (block, (before, channels, stride)) in (1..).zip(BLOCKS) {
        let depthwise = Layer::conv(before, 3).stride(stride).groups(before);
        builder = conv_bn_relu(builder, &format!("block{block}.depthwise"), depthwise);
        builder = conv_bn_relu(builder, &format!("block{block}.pointwise"), Layer::conv(channels, 1));
    }
    end(builder, head, classes)
}
