//! A small VGG.

use super::{Head, end};
use crate::layer::Layer;
use crate::model::{Model, ModelBuilder};

/// Channels of the pairs of convolutions.
const CHANNELS: [usize; 3] = [32, 64, 128];

/// Pairs of 3×3 convolutions with ReLU, each pair followed by max pooling (after Simonyan and Zisserman, *Very deep
/// convolutional networks*, 2015, with fewer pairs for small pictures).
///
/// Flattened, there is a hidden fully connected layer with dropout, as in the paper. With global average pooling the last
/// max pooling is left out and nothing is hidden: the VGG of Zhou et al. 2016, whose maps are finer for it.
pub(super) fn vgg(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let mut builder = Model::builder(input);
    for (block, channels) in (1..).zip(CHANNELS) {
        for conv in 1..=2 {
            builder = builder
                .layer(format!("conv{block}_{conv}"), Layer::conv(channels, 3))
                .layer(format!("relu{block}_{conv}"), Layer::Relu);
        }
        if block < CHANNELS.len() || head == Head::Flatten {
            builder = builder.layer(format!("pool{block}"), Layer::max_pool(2));
        }
    }
    match head {
        Head::GlobalAvgPool => end(builder, head, classes),
        Head::Flatten => builder
            .layer("flatten", Layer::Flatten)
            .layer("fc1", Layer::linear(128))
            .layer("relu_fc1", Layer::Relu)
            .layer("dropout", Layer::Dropout { probability: 0.5 })
            .layer("fc2", Layer::linear(classes)),
    }
}
