//! The list of all kinds of layer.

/// Calls the macro `then` with the kinds of layer, each as its module and its name.
macro_rules! kinds {
    ($then:ident) => {
        $then! {
            /// Convolution.
            conv2d::Conv2d,
            /// Transposed convolution.
            conv_transpose2d::ConvTranspose2d,
            /// Fully connected.
            linear::Linear,
            /// Batch normalization.
            batch_norm::BatchNorm,
            /// Layer normalization.
            layer_norm::LayerNorm,
            /// Group normalization.
            group_norm::GroupNorm,
            /// Local response normalization.
            local_response_norm::LocalResponseNorm,
            /// max(x, 0).
            activations::Relu,
            /// min(max(x, min), max).
            activations::Clip,
            /// x where positive, slope·x elsewhere.
            activations::LeakyRelu,
            /// x where positive, w·x elsewhere.
            activations::PRelu,
            /// x where positive, α·(eˣ − 1) elsewhere.
            activations::Elu,
            /// x·Φ(x).
            activations::Gelu,
            /// ln(1 + eˣ).
            activations::Softplus,
            /// 1 / (1 + e⁻ˣ).
            activations::Sigmoid,
            /// slope·x + offset, held between 0 and 1.
            activations::HardSigmoid,
            /// Hyperbolic tangent.
            activations::Tanh,
            /// The error function.
            activations::Erf,
            /// xᵖ.
            activations::Power,
            /// x · sigmoid(x).
            activations::Silu,
            /// exp(xₖ) / Σⱼ exp(xⱼ) over the channels.
            activations::Softmax,
            /// Largest value of each window.
            max_pool::MaxPool,
            /// Mean of each window.
            avg_pool::AvgPool,
            /// Mean over all positions (GAP).
            global_avg_pool::GlobalAvgPool,
            /// Mean over the channels.
            channels::ChannelMean,
            /// Largest of the channels.
            channels::ChannelMax,
            /// Each image as a row.
            shape::Flatten,
            /// A row as a picture.
            shape::Unflatten,
            /// The picture enlarged or reduced.
            resize::Resize,
            /// One value round the picture.
            shape::Pad,
            /// Some of the rows, columns or channels.
            shape::Select,
            /// Sum of the inputs.
            arithmetic::Add,
            /// The first input minus the second.
            arithmetic::Sub,
            /// Product of the inputs.
            arithmetic::Mul,
            /// The first input divided by the second.
            arithmetic::Div,
            /// w·x.
            arithmetic::Scale,
            /// x + b.
            arithmetic::Shift,
            /// The inputs joined along their channels.
            shape::Concat,
            /// Zeros at random, in training.
            dropout::Dropout,
        }
    };
}
pub(crate) use kinds;
