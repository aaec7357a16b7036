//! A layer in a few words.

use std::fmt;

use super::Layer;
use crate::geometry::Padding;

/// In a few words: `conv 3×3 stride 2, 64`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv2d { out_channels, kernel: [h, w], conv, .. } => {
                write!(f, "conv {h}×{w}")?;
                if conv.stride != [1, 1] {
                    write!(f, " stride {}", pair(conv.stride))?;
                }
                if conv.dilation != [1, 1] {
                    write!(f, " dilation {}", pair(conv.dilation))?;
                }
                if conv.groups != 1 {
                    write!(f, " groups {}", conv.groups)?;
                }
                write!(f, ", {out_channels}")
            }
            Self::ConvTranspose2d { out_channels, kernel: [h, w], transposed, .. } => {
                write!(f, "transposed conv {h}×{w}")?;
                if transposed.conv.stride != [1, 1] {
                    write!(f, " stride {}", pair(transposed.conv.stride))?;
                }
                write!(f, ", {out_channels}")
            }
            Self::Linear { out_features, .. } => write!(f, "linear, {out_features}"),
            Self::BatchNorm { .. } => f.write_str("batch norm"),
            Self::LayerNorm { .. } => f.write_str("layer norm"),
            Self::GroupNorm { groups, .. } => write!(f, "group norm, {groups}"),
            Self::Relu => f.write_str("ReLU"),
            Self::Clip { min, max } if *min == 0.0 && *max == 6.0 => f.write_str("ReLU6"),
            Self::Clip { min, max } => write!(f, "clip {min}…{max}"),
            Self::LeakyRelu { slope } => write!(f, "leaky ReLU {slope}"),
            Self::PRelu => f.write_str("PReLU"),
            Self::Elu { alpha } if *alpha == 1.0 => f.write_str("ELU"),
            Self::Elu { alpha } => write!(f, "ELU {alpha}"),
            Self::Gelu { tanh: false } => f.write_str("GELU"),
            Self::Gelu { tanh: true } => f.write_str("GELU (tanh)"),
            Self::Softplus => f.write_str("softplus"),
            Self::Sigmoid => f.write_str("sigmoid"),
            Self::HardSigmoid { .. } => f.write_str("hard sigmoid"),
            Self::Tanh => f.write_str("tanh"),
            Self::Erf => f.write_str("erf"),
            Self::Power { exponent } => write!(f, "power {exponent}"),
            Self::Silu => f.write_str("SiLU"),
            Self::Softmax => f.write_str("softmax"),
            Self::MaxPool(pool) => write!(f, "max pool {}", pair(pool.kernel)),
            Self::AvgPool { pool, .. } => write!(f, "average pool {}", pair(pool.kernel)),
            Self::GlobalAvgPool => f.write_str("global average pool"),
            Self::ChannelMean => f.write_str("mean over channels"),
            Self::ChannelMax => f.write_str("maximum over channels"),
            Self::Flatten => f.write_str("flatten"),
            Self::Unflatten { shape: [h, w, c] } => write!(f, "unflatten to {h}×{w}×{c}"),
            Self::Resize { size: [h, w], .. } => write!(f, "resize to {h}×{w}"),
            Self::Pad { padding, channels, .. } => {
                let Padding { top, bottom, left, right } = padding;
                write!(f, "pad {top}, {bottom}; {left}, {right}")?;
                match channels {
                    [0, 0] => Ok(()),
                    [before, behind] => write!(f, "; channels {before}, {behind}"),
                }
            }
            Self::Select { axis, places } => write!(f, "select {} along axis {axis}", places.len()),
            Self::Add => f.write_str("add"),
            Self::Sub => f.write_str("subtract"),
            Self::Mul => f.write_str("multiply"),
            Self::Div => f.write_str("divide"),
            Self::Scale { .. } => f.write_str("scale"),
            Self::Shift { .. } => f.write_str("shift"),
            Self::Concat => f.write_str("concat"),
            Self::Dropout { probability } => write!(f, "dropout {probability}"),
        }
    }
}

fn pair([a, b]: [usize; 2]) -> String {
    if a == b { a.to_string() } else { format!("{a}×{b}") }
}
