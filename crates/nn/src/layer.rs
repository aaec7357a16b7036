//! The kinds of layer: plain data.

mod display;
mod parameters;
mod shapes;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use parameters::ParameterSpec;
pub(crate) use shapes::{MOST_VALUES, MOST_WORK, count};

use crate::conv_transpose2d::ConvTranspose2d;
use crate::geometry::{Conv2d, GeometryError, Padding};
use crate::ops::Interpolation;
use crate::pool2d::Pool2d;

/// A layer: what it computes, without its weights. Activations are `[N, H, W, C]`, or `[N, C]` after flattening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Layer {
    /// Convolution; parameters `weight` `[Kh, Kw, Cin/groups, Cout]` and `bias` `[Cout]`.
    Conv2d {
        /// Output channels, Cout.
        out_channels: usize,
        /// Kernel `[Kh, Kw]`.
        kernel: [usize; 2],
        /// Stride, padding, dilation, groups.
        conv: Conv2d,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Transposed convolution; parameters `weight` `[Kh, Kw, Cout/groups, Cin]` and `bias` `[Cout]`.
    ConvTranspose2d {
        /// Output channels, Cout.
        out_channels: usize,
        /// Kernel `[Kh, Kw]`.
        kernel: [usize; 2],
        /// The convolution that it is the transpose of, and output padding.
        transposed: ConvTranspose2d,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Fully connected, `[N, in]` → `[N, out]`; parameters `weight` `[in, out]` and `bias` `[out]`.
    Linear {
        /// Outputs.
        out_features: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Batch normalisation over all but the channels; parameters `weight` (γ) and `bias` (β), statistics
    /// `running_mean` and `running_var`, all `[C]`.
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
        /// Share of a batch's statistics in the running ones.
        momentum: f64,
    },
    /// Each pixel's channels, or a row's, moved and scaled to mean 0 and variance 1; parameters `weight` (γ) and `bias` (β), both
    /// `[C]`.
    LayerNorm {
        /// Added to the variance.
        epsilon: f64,
    },
    /// Groups of neighbouring channels, over all positions of an image, moved and scaled to mean 0 and variance 1; parameters
    /// `weight` (γ) and `bias` (β), both `[C]`. One channel a group is instance normalisation.
    GroupNorm {
        /// Groups.
        groups: usize,
        /// Added to the variance.
        epsilon: f64,
    },
    /// max(x, 0).
    Relu,
    /// min(max(x, min), max).
    Clip {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
    },
    /// x where positive, slope·x elsewhere.
    LeakyRelu {
        /// Slope on the negative side.
        slope: f64,
    },
    /// x where positive, w·x elsewhere; parameter `weight` (w) `[C]`.
    PRelu,
    /// x where positive, α·(eˣ − 1) elsewhere.
    Elu {
        /// −α is approached far left of 0.
        alpha: f64,
    },
    /// x·Φ(x), Φ being the normal distribution's function.
    Gelu {
        /// Whether Φ is approximated by a hyperbolic tangent.
        tanh: bool,
    },
    /// ln(1 + eˣ).
    Softplus,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// slope·x + offset, held between 0 and 1.
    HardSigmoid {
        /// Slope between the two.
        slope: f64,
        /// Value at 0.
        offset: f64,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// The error function, 2/√π ∫₀ˣ e^(−t²) dt.
    Erf,
    /// xᵖ: a square, a root, a reciprocal.
    Power {
        /// p.
        exponent: f64,
    },
    /// x · sigmoid(x).
    Silu,
    /// exp(xₖ) / Σⱼ exp(xⱼ) over the channels, at each position: for attention. Scores are explained before any softmax at
    /// the end.
    Softmax,
    /// Largest value of each window.
    MaxPool(Pool2d),
    /// Mean of each window.
    AvgPool {
        /// The windows.
        pool: Pool2d,
        /// Whether pixels of padding count in the mean.
        count_padding: bool,
    },
    /// Mean over all positions (GAP), `[N, H, W, C]` → `[N, C]`.
    GlobalAvgPool,
    /// Mean over the channels, `[N, H, W, C]` → `[N, H, W, 1]` or `[N, C]` → `[N, 1]`: where to look, as spatial attention asks.
    ChannelMean,
    /// Largest of the channels, `[N, H, W, C]` → `[N, H, W, 1]` or `[N, C]` → `[N, 1]`.
    ChannelMax,
    /// `[N, H, W, C]` → `[N, H·W·C]`.
    Flatten,
    /// `[N, H·W·C]` → `[N, H, W, C]`: channels as a picture, as convolutions over channels have it.
    Unflatten {
        /// `[H, W, C]`.
        shape: [usize; 3],
    },
    /// The picture enlarged or reduced.
    Resize {
        /// Output `[H, W]`.
        size: [usize; 2],
        /// How the input is read.
        interpolation: Interpolation,
    },
    /// One value round the picture.
    Pad {
        /// Rows and columns.
        padding: Padding,
        /// Channels before and behind its own.
        #[serde(default)]
        channels: [usize; 2],
        /// The value.
        value: f64,
    },
    /// Some of the rows, columns or channels, in any order: parts of a picture, mirrored edges, shuffled channels.
    Select {
        /// Which of `[H, W, C]`, or 0 of `[C]`.
        axis: usize,
        /// The places taken, each once, several times or never.
        places: Vec<usize>,
    },
    /// Sum of the inputs. Their shapes, N left out, are aligned at the channels and extents of 1 repeat: `[C]` is added to
    /// every position of `[H, W, C]`.
    Add,
    /// The first input minus the second, their shapes as for the sum.
    Sub,
    /// Product of the inputs, their shapes as for the sum: `[H, W, C]` times `[C]` is squeeze-and-excitation.
    Mul,
    /// The first input over the second, their shapes as for the sum.
    Div,
    /// w·x; parameter `weight` of the given shape, whose extents of 1 repeat.
    Scale {
        /// Aligned with the input's at the channels: `[C]`, `[1]`, `[H, W, C]`.
        shape: Vec<usize>,
    },
    /// x + b; parameter `bias` of the given shape, whose extents of 1 repeat.
    Shift {
        /// Aligned with the input's at the channels: `[C]`, `[1]`, `[H, W, C]`.
        shape: Vec<usize>,
    },
    /// The inputs joined along their channels.
    Concat,
    /// In training, sets each value to zero with this probability and scales the others up; nothing otherwise.
    Dropout {
        /// Probability of zero.
        probability: f64,
    },
}

/// A layer that can't be applied to its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Another number of inputs.
    #[error("takes {expected}, found {found}")]
    Inputs {
        /// In words.
        expected: &'static str,
        /// Inputs given.
        found: usize,
    },
    /// Another shape.
    #[error("expected an input {expected}, found {found:?}")]
    Shape {
        /// In words.
        expected: &'static str,
        /// Shape given, N left out.
        found: Vec<usize>,
    },
    /// Windows that don't fit.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A number outside its range.
    #[error("{0}")]
    Setting(&'static str),
    /// More values in one image's output than can be meant.
    #[error("the output {0:?} is too large: at most {MOST_VALUES} values can be meant")]
    TooLarge(Vec<usize>),
    /// More values on the way to the output than can be meant, such as the input's with its padding.
    #[error("{found:?} on the way to the output is too large: at most {most} values can be meant")]
    OnTheWay {
        /// Shape of what is on the way.
        found: [usize; 3],
        /// Values that it may have, for what goes in and comes out.
        most: usize,
    },
}

impl Layer {
    /// Convolution with a `size`×`size` kernel, a bias, stride 1, and (for odd sizes) an output as large as the input.
    #[must_use]
    pub fn conv(out_channels: usize, size: usize) -> Self {
        let conv = Conv2d::default().padding(size.saturating_sub(1) / 2);
        Self::Conv2d { out_channels, kernel: [size; 2], conv, bias: true }
    }

    /// This convolution at another stride; other layers stay as they are.
    #[must_use]
    pub fn stride(mut self, stride: usize) -> Self {
        if let Self::Conv2d { conv, .. } = &mut self {
            *conv = conv.stride(stride);
        }
        self
    }

    /// This convolution in groups; other layers stay as they are.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        if let Self::Conv2d { conv, .. } = &mut self {
            *conv = conv.groups(groups);
        }
        self
    }

    /// This convolution or fully connected layer without a bias; other layers stay as they are.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        if let Self::Conv2d { bias, .. } | Self::Linear { bias, .. } = &mut self {
            *bias = false;
        }
        self
    }

    /// Fully connected, with a bias.
    #[must_use]
    pub fn linear(out_features: usize) -> Self {
        Self::Linear { out_features, bias: true }
    }

    /// Batch normalisation with ε = 10⁻⁵ and momentum 0.1.
    #[must_use]
    pub fn batch_norm() -> Self {
        Self::BatchNorm { epsilon: 1e-5, momentum: 0.1 }
    }

    /// min(max(x, 0), 6).
    #[must_use]
    pub fn relu6() -> Self {
        Self::Clip { min: 0.0, max: 6.0 }
    }

    /// Max pooling over `size`×`size` windows side by side.
    #[must_use]
    pub fn max_pool(size: usize) -> Self {
        Self::MaxPool(Pool2d::square(size))
    }
}
