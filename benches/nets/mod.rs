//! The networks that the benches run.
#![allow(dead_code, reason = "each bench uses its own part")]

use nn::{Layer, Model, ModelBuilder};

/// `GLASSBOX_WINOGRAD=off` leaves Winograd's algorithms out.
pub(crate) fn choose_winograd() {
    let off = std::env::var_os("GLASSBOX_WINOGRAD").is_some_and(|value| value == "off");
    nn::kernels::use_winograd(!off).expect("nothing has run yet");
}

/// conv3×3 1→32, ReLU, conv3×3 32→64, ReLU, max pool 2, conv3×3 64→64, ReLU, GAP, FC 10, on 28×28×1.
pub(crate) fn small() -> Model {
    Model::builder([28, 28, 1])
        .layer("conv1", Layer::conv(32, 3))
        .layer("relu1", Layer::Relu)
        .layer("conv2", Layer::conv(64, 3))
        .layer("relu2", Layer::Relu)
        .layer("pool", Layer::max_pool(2))
        .layer("conv3", Layer::conv(64, 3))
        .layer("relu3", Layer::Relu)
        .layer("gap", Layer::GlobalAvgPool)
        .layer("fc", Layer::linear(10))
        .build(1)
        .expect("the layers fit")
}

/// conv3×3 3→32, BN, ReLU; three stages of two conv3×3–BN–ReLU at 32, 64 and 128 channels, the last two beginning at
/// stride 2; GAP; FC 10, on 32×32×3.
pub(crate) fn medium() -> Model {
    let mut builder = unit(Model::builder([32, 32, 3]), "stem", Layer::conv(32, 3), Layer::Relu);
    for (stage, channels, stride) in [(1, 32, 1), (2, 64, 2), (3, 128, 2)] {
        builder = unit(builder, &format!("{stage}a"), Layer::conv(channels, 3).stride(stride), Layer::Relu);
        builder = unit(builder, &format!("{stage}b"), Layer::conv(channels, 3), Layer::Relu);
    }
    finish(builder, 10)
}

/// MobileNet's depthwise-separable blocks at width 1 (Howard et al. 2017, table 1), ReLU6, on 224×224×3, 1000 classes.
pub(crate) fn mobile() -> Model {
    let mut builder = unit(Model::builder([224, 224, 3]), "stem", Layer::conv(32, 3).stride(2), Layer::relu6());
    let blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)];
    let blocks = blocks.into_iter().chain([(512, 1); 5]).chain([(1024, 2), (1024, 1)]);
    let mut channels = 32;
    for (index, (out_channels, stride)) in blocks.enumerate() {
        let depthwise = Layer::conv(channels, 3).groups(channels).stride(stride);
        builder = unit(builder, &format!("depthwise{index}"), depthwise, Layer::relu6());
        builder = unit(builder, &format!("pointwise{index}"), Layer::conv(out_channels, 1), Layer::relu6());
        channels = out_channels;
    }
    finish(builder, 1000)
}

/// Convolution without a bias, batch norm, activation.
fn unit(builder: ModelBuilder, name: &str, conv: Layer, activation: Layer) -> ModelBuilder {
    builder
        .layer(format!("{name}.conv"), conv.without_bias())
        .layer(format!("{name}.norm"), Layer::batch_norm())
        .layer(format!("{name}.act"), activation)
}

fn finish(builder: ModelBuilder, classes: usize) -> Model {
    let builder = builder.layer("gap", Layer::GlobalAvgPool).layer("fc", Layer::linear(classes));
    builder.build(1).expect("the layers fit")
}
