//! Residual networks for small pictures.

use super::{Head, conv_bn_relu, end};
use crate::layers::{Add, BatchNorm, Conv2d, Relu};
use crate::model::{Model, ModelBuilder};

/// Number of channels of each stage. The second and the third stage halve the resolution.
const CHANNELS: [usize; 3] = [16, 32, 64];

/// The residual networks of He, Zhang, Ren and Sun, *Deep residual learning*, 2016, §4.2: a convolution, three stages of
/// `blocks` blocks of two convolutions, and a fully connected layer; 6·`blocks` + 2 layers with weights. If a block changes the
/// shape, its shortcut is a 1×1 convolution (the paper's option B).
pub(super) fn resnet(input: [usize; 3], classes: usize, head: Head, blocks: usize) -> ModelBuilder {
    let mut builder = conv_bn_relu(Model::builder(input), "stem", Conv2d::new(CHANNELS[0], 3));
    let mut before = String::from("stem.relu");
    for (stage, channels) in (1..).zip(CHANNELS) {
        for block in 1..=blocks {
            let name = format!("stage{stage}.{block}");
            let at = |part: &str| format!("{name}.{part}");
            let stride = if stage > 1 && block == 1 { 2 } else { 1 };
            builder = conv_bn_relu(builder, &at("conv1"), Conv2d::new(channels, 3).stride(stride))
                .layer(at("conv2"), Conv2d::new(channels, 3).without_bias())
                .layer(at("conv2.bn"), BatchNorm::new());
            let shortcut = if stride == 1 {
                before
            } else {
                let projection = Conv2d::new(channels, 1).stride(stride).without_bias();
                builder = builder
                    .layer_from(at("shortcut"), projection, &[&before])
                    .layer(at("shortcut.bn"), BatchNorm::new());
                at("shortcut.bn")
            };
            builder = builder.layer_from(at("add"), Add, &[&at("conv2.bn"), &shortcut]).layer(at("relu"), Relu);
            before = at("relu");
        }
    }
    end(builder, head, classes)
}
