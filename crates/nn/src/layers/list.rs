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
            /// Products of two inputs' matrices.
            matmul::MatMul,
            /// Trained values that don't depend on the image.
            learned::Learned,
            /// Batch normalization.
            batch_norm::BatchNorm,
            /// Layer normalization.
            layer_norm::LayerNorm,
            /// Group normalization.
            group_norm::GroupNorm,
            /// Local response normalization.
            local_response_norm::LocalResponseNorm,
            /// Vectors of channels divided by their Euclidean length.
            l2_norm::L2Norm,
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
            /// x · min(max(x/6 + ½, 0), 1).
            activations::HardSwish,
            /// Hyperbolic tangent.
            activations::Tanh,
            /// The error function.
            activations::Erf,
            /// |x|.
            activations::Abs,
            /// eˣ.
            activations::Exp,
            /// ln x.
            activations::Log,
            /// 1 where x > threshold, else 0.
            activations::Step,
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
            /// The values of a picture in another order.
            shape::Rearrange,
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
