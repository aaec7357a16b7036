//! Which inputs a layer takes, and the shape of what it gives.

use std::cmp::Ordering;

use super::{Layer, LayerError};
use crate::geometry::{ConvGeometry, Padding};
use crate::pool2d::Pool2d;

/// One image and all that a model computes from it may have at most this many values, 2 GiB in single precision.
pub(crate) const MOST_VALUES: usize = 1 << 29;
/// What a layer makes on the way to its output, such as a picture between margins, may be this many times as large as what
/// goes in and comes out together, if it is more than a few values.
const MARGINS: usize = 64;
const FEW_VALUES: usize = 1 << 20;
/// Multiply–adds of one image, and values that poolings look at: more than any network's.
pub(crate) const MOST_WORK: u64 = 1 << 40;

/// Values in an array of this shape, if they can be counted.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1, |n: usize, &extent| n.checked_mul(extent))
}

impl Layer {
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
        let bounded = |[h, w, c]: [usize; 3], padding: &Padding, output: &[usize]| {
            let [rows, columns] = padding.total();
            let found = [h.saturating_add(rows), w.saturating_add(columns), c];
            let ends = count(input).and_then(|values| values.checked_add(count(output)?)).unwrap_or(MOST_VALUES);
            let most = ends.saturating_mul(MARGINS).clamp(FEW_VALUES, MOST_VALUES);
            match count(&found) {
                Some(values) if values <= most => Ok(()),
                _ => Err(LayerError::OnTheWay { found, most }),
            }
        };
        let pooled = |pool: &Pool2d| -> Result<Vec<usize>, LayerError> {
            let [h, w, c] = image()?;
            Ok(pool.geometry(&[1, h, w, c])?.output_shape()[1..].to_vec())
        };
        let output = match self {
            Self::Conv2d { .. } | Self::ConvTranspose2d { .. } => {
                let geometry = self.convolution(image()?).expect("a convolution")?;
                let [_, h, w, c] = geometry.input_shape();
                let transposed = matches!(self, Self::ConvTranspose2d { .. });
                let output = if transposed { geometry.input_shape() } else { geometry.output_shape() };
                bounded([h, w, c], &geometry.conv.padding, &output[1..])?;
                output[1..].to_vec()
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
            Self::ChannelMean | Self::ChannelMax => match input.split_last() {
                Some((1.., positions)) => [positions, &[1]].concat(),
                _ => return Err(LayerError::Setting("a mean or maximum over channels needs one")),
            },
            Self::Flatten => vec![count(input).ok_or_else(|| LayerError::TooLarge(input.to_vec()))?],
            Self::Unflatten { shape } => match *input {
                [values] if count(shape) == Some(values) => shape.to_vec(),
                _ => return Err(LayerError::Shape { expected: "[N, C] of as many values", found: input.to_vec() }),
            },
            Self::Resize { size, .. } => {
                let [h, w, c] = image()?;
                if size.contains(&0) || h == 0 || w == 0 {
                    return Err(LayerError::Setting("resizing needs pixels on both sides"));
                }
                // Between the two axes, a picture is as high as it was and as wide as it becomes.
                let output = vec![size[0], size[1], c];
                bounded([h, size[1], c], &Padding::default(), &output)?;
                output
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
            Self::Pad { padding, channels: [before, behind], .. } => {
                let ([h, w, c], [rows, columns]) = (image()?, padding.total());
                let more = before.saturating_add(*behind);
                vec![h.saturating_add(rows), w.saturating_add(columns), c.saturating_add(more)]
            }
            Self::Select { axis, places } => match input.get(*axis) {
                Some(&extent) if !places.is_empty() && places.iter().all(|&place| place < extent) => {
                    let mut output = input.to_vec();
                    output[*axis] = places.len();
                    output
                }
                _ => {
                    let expected = "that has the axis and the places that are taken, one or more";
                    return Err(LayerError::Shape { expected, found: input.to_vec() });
                }
            },
            Self::Concat => {
                let Some((channels, positions)) = input.split_last() else {
                    return Err(LayerError::Shape { expected: "[N, …, C]", found: Vec::new() });
                };
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
            Self::LayerNorm { epsilon } | Self::GroupNorm { epsilon, .. }
                if !(0.0..=f64::MAX).contains(epsilon) || input.contains(&0) =>
            {
                return Err(LayerError::Setting("a layer or group norm needs values, and an epsilon of at least 0"));
            }
            Self::GroupNorm { groups, .. } if *groups == 0 || !input[input.len() - 1].is_multiple_of(*groups) => {
                return Err(LayerError::Setting("the channels of a group norm fill its groups"));
            }
            Self::Power { exponent } if !exponent.is_finite() => {
                return Err(LayerError::Setting("a power needs a finite exponent"));
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

    /// The geometry of its convolution over one image `[H, W, C]`; of a transposed convolution, that of the one which it is
    /// the transpose of. `None` for other layers.
    ///
    /// # Errors
    /// Where it can't be applied to such an image.
    #[must_use]
    pub fn convolution(&self, [h, w, c]: [usize; 3]) -> Option<Result<ConvGeometry, LayerError>> {
        match self {
            Self::Conv2d { out_channels: 0, .. } => {
                Some(Err(LayerError::Setting("a convolution without output channels")))
            }
            Self::Conv2d { out_channels, kernel: [kh, kw], conv, .. } => {
                let group_in = c.checked_div(conv.groups).unwrap_or(0);
                Some(conv.geometry(&[1, h, w, c], &[*kh, *kw, group_in, *out_channels]).map_err(LayerError::from))
            }
            Self::ConvTranspose2d { out_channels, kernel: [kh, kw], transposed, .. } => {
                let groups = transposed.conv.groups;
                if *out_channels == 0 || groups == 0 || !out_channels.is_multiple_of(groups) {
                    let setting = "output channels of a transposed convolution fill its groups";
                    return Some(Err(LayerError::Setting(setting)));
                }
                let kernel = [*kh, *kw, out_channels / groups, c];
                Some(transposed.geometry(&[1, h, w, c], &kernel).map_err(LayerError::from))
            }
            _ => None,
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
