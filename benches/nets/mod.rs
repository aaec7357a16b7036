//! The networks that the benches run.
#![allow(dead_code, reason = "each bench uses its own part")]

use nn::layers::{BatchNorm, Clip, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::{Layer, Model, ModelBuilder};

/// `GLASSBOX_WINOGRAD=off` leaves Winograd's algorithms out.
pub(crate) fn choose_winograd() {
    let off = std::env::var_os("GLASSBOX_WINOGRAD").is_some_and(|value| value == "off");
    nn::kernels::use_winograd(!off).expect("nothing has run yet");
}

/// conv3×3 1→32, ReLU, conv3×3 32→64, ReLU, max pool 2, conv3×3 64→64, ReLU, GAP, FC 10, on 28×28×1.
pub(crate) fn small() -> Model {
    Model::builder([28, 28, 1])
        .layer("conv1", Conv2d::new(32, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(64, 3))
        .layer("relu2", Relu)
        .layer("pool", MaxPool::new(2))
        .layer("conv3", Conv2d::new(64, 3))
        .layer("relu3", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(10))
        .build(1)
        .expect("the layers fit")
}

/// conv3×3 3→32, BN, ReLU; three stages of two conv3×3–BN–ReLU at 32, 64 and 128 channels, the last two beginning at
/// stride 2; GAP; FC 10, on 32×32×3.
pub(crate) fn medium() -> Model {
    let mut builder = unit(Model::builder([32, 32, 3]), "stem", Conv2d::new(32, 3), Relu);
    for (stage, channels, stride) in [(1, 32, 1), (2, 64, 2), (3, 128, 2)] {
        builder = unit(builder, &format!("{stage}a"), Conv2d::new(channels, 3).stride(stride), Relu);
        builder = unit(builder, &format!("{stage}b"), Conv2d::new(channels, 3), Relu);
    }
    finish(builder, 10)
}

/// MobileNet's depthwise-separable blocks at width 1 (Howard et al. 2017, table 1), ReLU6, on 224×224×3, 1000 classes.
pub(crate) fn mobile() -> Model {
    let mut builder = unit(Model::builder([224, 224, 3]), "stem", Conv2d::new(32, 3).stride(2), Clip::RELU6);
    let blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)];
    let blocks = blocks.into_iter().chain([(512, 1); 5]).chain([(1024, 2), (1024, 1)]);
    let mut channels = 32;
    for (index, (out_channels, stride)) in blocks.enumerate() {
        let depthwise = Conv2d::new(channels, 3).groups(channels).stride(stride);
        builder = unit(builder, &format!("depthwise{index}"), depthwise, Clip::RELU6);
        builder = unit(builder, &format!("pointwise{index}"), Conv2d::new(out_channels, 1), Clip::RELU6);
        channels = out_channels;
    }
    finish(builder, 1000)
}

/// Convolution without a bias, batch norm, activation.
fn unit(builder: ModelBuilder, name: &str, conv: Conv2d, activation: impl Into<Layer>) -> ModelBuilder {
    builder
        .layer(format!("{name}.conv"), conv.without_bias())
        .layer(format!("{name}.norm"), BatchNorm::new())
        .layer(format!("{name}.act"), activation)
}

fn finish(builder: ModelBuilder, classes: usize) -> Model {
    let builder = builder.layer("gap", GlobalAvgPool).layer("fc", Linear::new(classes));
    builder.build(1).expect("the layers fit")
}
