//! The kinds of layer: plain data.

mod display;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use thiserror::Error;

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
    /// x · sigmoid(x).
    Silu,
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
    /// `[N, H, W, C]` → `[N, H·W·C]`.
    Flatten,
    /// The picture enlarged or reduced.
    Resize {
        /// Output `[H, W]`.
        size: [usize; 2],
        /// How the input is read.
        interpolation: Interpolation,
    },
    /// Pixels of one value round the picture.
    Pad {
        /// How many.
        padding: Padding,
        /// Their value.
        value: f64,
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
    #[error("{0:?} on the way to the output is too large: at most {MOST_VALUES} values can be meant")]
    OnTheWay([usize; 3]),
}

/// A parameter or a running statistic that a layer owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// `"weight"`, `"bias"`, `"running_mean"` or `"running_var"`.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether it is trained; running statistics are not.
    pub trainable: bool,
}

/// One image and all that a model computes from it may have at most this many values, 2 GiB in single precision.
pub(crate) const MOST_VALUES: usize = 1 << 29;

/// Values in an array of this shape, if they can be counted.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1, |n: usize, &extent| n.checked_mul(extent))
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

    /// The shape of one image's output, N left out: `[H, W, C]` or `[C]`.
    ///
    /// # Errors
    /// Where the layer can't be applied to inputs of these shapes.
    pub fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let (fits, expected) = match (self, inputs.len()) {
            (Self::Add | Self::Mul | Self::Concat, found) => (found >= 1, "one input or more"),
            (Self::Sub | Self::Div, found) => (found == 2, "two inputs"),
            (_, found) => (found == 1, "one input"),
        };
        if !fits {
            return Err(LayerError::Inputs { expected, found: inputs.len() });
        }
        let input = inputs[0];
        let image = || match *input {
            [h, w, c] => Ok([h, w, c]),
            _ => Err(LayerError::Shape { expected: "[N, H, W, C]", found: input.to_vec() }),
        };
        // Kernels copy pictures between margins: these count as well.
        let bounded = |[h, w, c]: [usize; 3], padding: &Padding| {
            let [rows, columns] = padding.total();
            let padded = [h.saturating_add(rows), w.saturating_add(columns), c];
            match count(&padded) {
                Some(values) if values <= MOST_VALUES => Ok(()),
                _ => Err(LayerError::OnTheWay(padded)),
            }
        };
        let pooled = |pool: &Pool2d| -> Result<Vec<usize>, LayerError> {
            let [h, w, c] = image()?;
            Ok(pool.geometry(&[1, h, w, c])?.output_shape()[1..].to_vec())
        };
        let output = match self {
            Self::Conv2d { out_channels, kernel, conv, .. } => {
                let [h, w, c] = image()?;
                if *out_channels == 0 {
                    return Err(LayerError::Setting("a convolution without output channels"));
                }
                let group_in = c.checked_div(conv.groups).unwrap_or(0);
                let geometry = conv.geometry(&[1, h, w, c], &[kernel[0], kernel[1], group_in, *out_channels])?;
                bounded([h, w, c], &conv.padding)?;
                vec![geometry.output[0], geometry.output[1], *out_channels]
            }
            Self::ConvTranspose2d { out_channels, kernel: [kh, kw], transposed, .. } => {
                let [h, w, c] = image()?;
                let groups = transposed.conv.groups;
                if *out_channels == 0 || groups == 0 || !out_channels.is_multiple_of(groups) {
                    return Err(LayerError::Setting("output channels of a transposed convolution fill its groups"));
                }
                let geometry = transposed.geometry(&[1, h, w, c], &[*kh, *kw, out_channels / groups, c])?;
                let [_, height, width, _] = geometry.input_shape();
                bounded([height, width, *out_channels], &transposed.conv.padding)?;
                vec![height, width, *out_channels]
            }
            Self::Linear { out_features, .. } => match *input {
                [_] if *out_features > 0 => vec![*out_features],
                [_] => return Err(LayerError::Setting("a fully connected layer without outputs")),
                _ => {
                    let expected = "[N, C] (after flatten or global average pooling)";
                    return Err(LayerError::Shape { expected, found: input.to_vec() });
                }
            },
            Self::MaxPool(pool) | Self::AvgPool { pool, .. } => pooled(pool)?,
            Self::GlobalAvgPool => vec![image()?[2]],
            Self::Flatten => vec![count(input).ok_or_else(|| LayerError::TooLarge(input.to_vec()))?],
            Self::Resize { size, .. } => {
                let [h, w, c] = image()?;
                if size.contains(&0) || h == 0 || w == 0 {
                    return Err(LayerError::Setting("resizing needs pixels on both sides"));
                }
                // Between the two axes, a picture is as high as it was and as wide as it becomes.
                bounded([h, size[1], c], &Padding::default())?;
                vec![size[0], size[1], c]
            }
            Self::Add | Self::Sub | Self::Mul | Self::Div => {
                let broadcast = |sum: Vec<usize>, other: &&[usize]| {
                    let expected = "of the first one's shape, or with extents of 1 in it";
                    let misfit = || LayerError::Shape { expected, found: other.to_vec() };
                    broadcast(&sum, other).ok_or_else(misfit)
                };
                inputs[1..].iter().try_fold(input.to_vec(), broadcast)?
            }
            Self::Scale { shape } | Self::Shift { shape } => match broadcast(input, shape) {
                Some(output) if output == input => output,
                _ => {
                    let expected = "that the parameter's shape repeats over";
                    return Err(LayerError::Shape { expected, found: input.to_vec() });
                }
            },
            Self::HardSigmoid { slope, offset } if !(slope.is_finite() && offset.is_finite()) => {
                return Err(LayerError::Setting("a hard sigmoid needs a finite slope and offset"));
            }
            Self::Pad { value, .. } if !value.is_finite() => {
                return Err(LayerError::Setting("padding needs a finite value"));
            }
            Self::Pad { padding, .. } => {
                let ([h, w, c], [rows, columns]) = (image()?, padding.total());
                vec![h.saturating_add(rows), w.saturating_add(columns), c]
            }
            Self::Concat => {
                let (channels, positions) = input.split_last().expect("a shape without dimensions doesn't arise");
                let mut total = *channels;
                for other in &inputs[1..] {
                    match other.split_last() {
                        Some((channels, rest)) if rest == positions => total = total.saturating_add(*channels),
                        _ => {
                            let expected = "of the first one's shape but for the channels";
                            return Err(LayerError::Shape { expected, found: other.to_vec() });
                        }
                    }
                }
                [positions, &[total]].concat()
            }
            Self::Dropout { probability } if !(0.0..1.0).contains(probability) => {
                return Err(LayerError::Setting("a dropout's probability must be at least 0 and less than 1"));
            }
            Self::BatchNorm { epsilon, momentum }
                if !(*epsilon > 0.0 && epsilon.is_finite() && (0.0..=1.0).contains(momentum)) =>
            {
                return Err(LayerError::Setting("a batch norm needs epsilon > 0 and a momentum from 0 to 1"));
            }
            Self::Clip { min, max } if min.partial_cmp(max) != Some(Ordering::Less) => {
                return Err(LayerError::Setting("a clip needs min < max"));
            }
            Self::LeakyRelu { slope } if !(0.0..=f64::MAX).contains(slope) => {
                return Err(LayerError::Setting("a leaky ReLU needs a slope of at least 0"));
            }
            Self::Elu { alpha } if !(0.0..=f64::MAX).contains(alpha) => {
                return Err(LayerError::Setting("an ELU needs an α of at least 0"));
            }
            _ => input.to_vec(),
        };
        match count(&output) {
            Some(values) if values <= MOST_VALUES => Ok(output),
            _ => Err(LayerError::TooLarge(output)),
        }
    }

    /// The parameters and statistics it owns, for an input of this shape (N left out).
    #[must_use]
    pub fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        let trained = |name, shape: &[usize]| ParameterSpec { name, shape: shape.to_vec(), trainable: true };
        let statistic = |name, shape: &[usize]| ParameterSpec { name, shape: shape.to_vec(), trainable: false };
        let channels = input.last().copied().unwrap_or(0);
        let (weight, bias) = match self {
            Self::Conv2d { out_channels, kernel, conv, bias } => {
                let weight = vec![kernel[0], kernel[1], channels / conv.groups.max(1), *out_channels];
                (weight, bias.then_some(*out_channels))
            }
            Self::ConvTranspose2d { out_channels, kernel: [kh, kw], transposed, bias } => {
                let weight = vec![*kh, *kw, out_channels / transposed.conv.groups.max(1), channels];
                (weight, bias.then_some(*out_channels))
            }
            Self::Linear { out_features, bias } => (vec![channels, *out_features], bias.then_some(*out_features)),
            Self::BatchNorm { .. } => {
                let shape = [channels];
                return vec![
                    trained("weight", &shape),
                    trained("bias", &shape),
                    statistic("running_mean", &shape),
                    statistic("running_var", &shape),
                ];
            }
            Self::Scale { shape } => return vec![trained("weight", shape)],
            Self::Shift { shape } => return vec![trained("bias", shape)],
            _ => return Vec::new(),
        };
        let weight = trained("weight", &weight);
        [Some(weight), bias.map(|outputs| trained("bias", &[outputs]))].into_iter().flatten().collect()
    }

    /// Multiply–adds for one image: those of convolutions and matrix products; the rest is small beside them.
    #[must_use]
    pub fn multiply_adds(&self, input: &[usize], output: &[usize]) -> u64 {
        match self {
            Self::Conv2d { kernel, conv, .. } => {
                let taps = kernel[0] * kernel[1] * input.last().copied().unwrap_or(0) / conv.groups.max(1);
                output.iter().product::<usize>() as u64 * taps as u64
            }
            Self::ConvTranspose2d { out_channels, kernel: [kh, kw], transposed, .. } => {
                let products = kh * kw * out_channels / transposed.conv.groups.max(1);
                input.iter().product::<usize>() as u64 * products as u64
            }
            Self::Linear { .. } => input.iter().product::<usize>() as u64 * output.iter().product::<usize>() as u64,
            _ => 0,
        }
    }
}

/// The shape that these two broadcast to, aligned at the last extent.
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (longer, shorter) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let (leading, aligned) = longer.split_at(longer.len() - shorter.len());
    let mut shape = leading.to_vec();
    for pair in aligned.iter().zip(shorter) {
        shape.push(match pair {
            (&a, &b) if a == b || b == 1 => a,
            (1, &b) => b,
            _ => return None,
        });
    }
    Some(shape)
}
