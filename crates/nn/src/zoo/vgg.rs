//! A small VGG.

use super::{Head, end};
use crate::layers::{Conv2d, Dropout, Flatten, Linear, MaxPool, Relu};
use crate::model::{Model, ModelBuilder};

/// Number of channels of each pair of convolutions.
const CHANNELS: [usize; 3] = [32, 64, 128];

/// Pairs of 3×3 convolutions with ReLU, each pair followed by max pooling (after Simonyan and Zisserman, *Very deep
/// convolutional networks*, 2015, with fewer pairs for small pictures).
///
/// With [`Head::Flatten`] there is a hidden fully connected layer with dropout, as in the paper. With [`Head::GlobalAvgPool`]
/// there is none, and the last max pooling is omitted, which makes CAM's maps finer: the VGG of Zhou et al. 2016.
pub(super) fn vgg(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let mut builder = Model::builder(input);
    for (block, channels) in (1..).zip(CHANNELS) {
        for conv in 1..=2 {
            builder = builder
                .layer(format!("conv{block}_{conv}"), Conv2d::new(channels, 3))
                .layer(format!("relu{block}_{conv}"), Relu);
        }
        if block < CHANNELS.len() || head == Head::Flatten {
            builder = builder.layer(format!("pool{block}"), MaxPool::new(2));
        }
    }
    match head {
        Head::GlobalAvgPool => end(builder, head, classes),
        Head::Flatten => builder
            .layer("flatten", Flatten)
            .layer("fc1", Linear::new(128))
            .layer("relu_fc1", Relu)
            .layer("dropout", Dropout { probability: 0.5 })
            .layer("fc2", Linear::new(classes)),
    }
}
