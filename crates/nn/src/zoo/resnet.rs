//! Residual networks for small pictures.

use super::{Head, conv_bn_relu, end};
use crate::layer::Layer;
use crate::model::{Model, ModelBuilder};

/// Channels of the three stages; each but the first halves the resolution.
const CHANNELS: [usize; 3] = [16, 32, 64];

/// The residual networks of He, Zhang, Ren and Sun, *Deep residual learning*, 2016, §4.2: a convolution, three stages of
/// `blocks` blocks of two convolutions, 6·`blocks` + 2 layers with weights in all. Where the shape changes, the shortcut is
/// a 1×1 convolution (the paper's option B).
pub(super) fn resnet(input: [usize; 3], classes: usize, head: Head, blocks: usize) -> ModelBuilder {
    let mut builder = conv_bn_relu(Model::builder(input), "stem", Layer::conv(CHANNELS[0], 3));
    let mut before = String::from("stem.relu");
    for (stage, channels) in (1..).zip(CHANNELS) {
        for block in 1..=blocks {
            let name = format!("stage{stage}.{block}");
            let at = |part: &str| format!("{name}.{part}");
            let stride = if stage > 1 && block == 1 { 2 } else { 1 };
            builder = conv_bn_relu(builder, &at("conv1"), Layer::conv(channels, 3).stride(stride))
                .layer(at("conv2"), Layer::conv(channels, 3).without_bias())
                .layer(at("conv2.bn"), Layer::batch_norm());
            let shortcut = if stride == 1 {
                before
            } else {
                let projection = Layer::conv(channels, 1).stride(stride).without_bias();
                builder = builder
                    .layer_from(at("shortcut"), projection, &[&before])
                    .layer(at("shortcut.bn"), Layer::batch_norm());
                at("shortcut.bn")
            };
            builder =
                builder.layer_from(at("add"), Layer::Add, &[&at("conv2.bn"), &shortcut]).layer(at("relu"), Layer::Relu);
            before = at("relu");
        }
    }
    end(builder, head, classes)
}
