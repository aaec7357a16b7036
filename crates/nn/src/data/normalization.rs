//! From bytes to the numbers that a network sees.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::DataError;
use tensor::simd::vectorized;

/// x = (u8/scale − mean) / std, with a mean and a standard deviation for each channel; the scale is 255 unless said
/// otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
    scale: f32,
    order: ChannelOrder,
}

/// The order of a colour's channels in a network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red: networks that were trained with Caffe or on OpenCV's pictures.
    Bgr,
}

/// The scale of bytes, which makes of them numbers in [0, 1].
const BYTES: f32 = 255.0;
/// Values of a loop that is long enough to be vectorized well.
const LOOP: usize = 64;

#[derive(Deserialize)]
struct Unchecked {
    mean: Vec<f32>,
    std: Vec<f32>,
    /// Files of before there were scales and orders have neither.
    scale: Option<f32>,
    #[serde(default)]
    order: ChannelOrder,
}

impl TryFrom<Unchecked> for Normalization {
    type Error = DataError;

    fn try_from(Unchecked { mean, std, scale, order }: Unchecked) -> Result<Self, DataError> {
        Ok(Self::new(mean, std)?.with_scale(scale.unwrap_or(BYTES))?.with_order(order))
    }
}

impl Normalization {
    /// With the mean and the standard deviation of each channel, in units of u8/255.
    ///
    /// # Errors
    /// Where there are no channels, more means than deviations or fewer, a mean that isn't finite, or a deviation that
    /// isn't both positive and finite.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self, DataError> {
        let finite = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        if mean.is_empty() || mean.len() != std.len() || !finite {
            return Err(DataError::Normalization { mean, std });
        }
        Ok(Self { mean, std, scale: BYTES, order: ChannelOrder::default() })
    }

    /// With bytes divided by `scale` rather than by 255, so that means and deviations are in units of u8/`scale`: 1 for
    /// those in grey levels.
    ///
    /// # Errors
    /// Where the scale isn't both positive and finite.
    pub fn with_scale(self, scale: f32) -> Result<Self, DataError> {
        if scale > 0.0 && scale.is_finite() { Ok(Self { scale, ..self }) } else { Err(DataError::Scale(scale)) }
    }

    /// For inputs whose channels stand in this order, as do the mean and the deviation. Pixels are always red, green, blue.
    #[must_use]
    pub fn with_order(self, order: ChannelOrder) -> Self {
        Self { order, ..self }
    }

    /// The mean and the (population) standard deviation of each channel over all the pixels `[…, C]`.
    ///
    /// The sums are exact integers. A constant channel gets a deviation of 1, so that it becomes 0; no pixels give mean
    /// 0 and deviation 1.
    ///
    /// # Panics
    /// Where `channels` is zero or doesn't divide the number of values.
    #[must_use]
    pub fn of(pixels: &[u8], channels: usize) -> Self {
        let mut sums = ChannelSums::new(channels);
        sums.add(pixels);
        sums.normalization()
    }

    /// The mean of each channel of the input, in units of u8/scale.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviation of each channel of the input, in units of u8/scale.
    #[must_use]
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// What bytes are divided by.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The order of the input's channels.
    #[must_use]
    pub fn order(&self) -> ChannelOrder {
        self.order
    }

    /// Number of channels, C.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Appends the normalised pixels `[…, C]` to `out`.
    ///
    /// # Panics
    /// Where the number of values isn't a multiple of the channels.
    pub fn apply(&self, pixels: &[u8], out: &mut Vec<f32>) {
        let start = out.len();
        out.extend(pixels.iter().map(|&pixel| f32::from(pixel)));
        self.normalize(&mut out[start..]);
    }

    /// Normalises pixels `[…, C]` in place; they are in the units of bytes, 0 to 255, but may lie between two of them.
    ///
    /// # Panics
    /// Where the number of values isn't a multiple of the channels.
    pub fn normalize(&self, values: &mut [f32]) {
        let channels = self.channels();
        assert!(values.len().is_multiple_of(channels), "{} values in {channels} channels", values.len());
        if self.order == ChannelOrder::Bgr {
            values.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
        }
        // A few channels make a short loop: the parameters stand there for several pixels at once.
        let pixels = LOOP.div_ceil(channels);
        let [mean, std] = [&self.mean, &self.std].map(|parameters| parameters.repeat(pixels));
        vectorized(|| {
            for values in values.chunks_mut(channels * pixels) {
                let [mean, std] = [&mean, &std].map(|parameters| &parameters[..values.len()]);
                for i in 0..values.len() {
                    values[i] = (values[i] / self.scale - mean[i]) / std[i];
                }
            }
        });
    }

    /// The pixels `[…, C]` that [`apply`](Self::apply) makes these values `[…, C]` of, to the nearest byte; what isn't a
    /// number becomes 0.
    ///
    /// # Panics
    /// Where the number of values isn't a multiple of the channels.
    #[must_use]
    pub fn undo(&self, values: &[f32]) -> Vec<u8> {
        let channels = self.channels();
        assert!(values.len().is_multiple_of(channels), "{} values in {channels} channels", values.len());
        let byte = |value: f32, c: usize| ((value * self.std[c] + self.mean[c]) * self.scale).round() as u8;
        // Either order is its own inverse.
        let bytes = |value: &[f32]| (0..channels).map(|c| self.place(c)).map(|c| byte(value[c], c)).collect::<Vec<_>>();
        values.chunks_exact(channels).flat_map(bytes).collect()
    }

    /// Where the input's channel `c` stands among a pixel's.
    fn place(&self, c: usize) -> usize {
        match self.order {
            ChannelOrder::Rgb => c,
            ChannelOrder::Bgr => self.channels() - 1 - c,
        }
    }
}

/// Exact sums over pixels, of which the mean and the deviation of each channel follow.
#[derive(Clone, Debug)]
pub(super) struct ChannelSums {
    /// Pixels summed.
    count: u64,
    /// Σx of each channel.
    sums: Vec<u64>,
    /// Σx² of each channel.
    squares: Vec<u64>,
}

impl ChannelSums {
    pub(super) fn new(channels: usize) -> Self {
        Self { count: 0, sums: vec![0; channels], squares: vec![0; channels] }
    }

    /// With these pixels, `[…, C]`.
    pub(super) fn add(&mut self, pixels: &[u8]) {
        let channels = self.sums.len();
        assert!(
            channels > 0 && pixels.len().is_multiple_of(channels),
            "{} values in {channels} channels",
            pixels.len()
        );
        self.count += (pixels.len() / channels) as u64;
        for pixel in pixels.chunks_exact(channels) {
            for (c, &value) in pixel.iter().enumerate() {
                self.sums[c] += u64::from(value);
                self.squares[c] += u64::from(value) * u64::from(value);
            }
        }
    }

    /// Those of both.
    pub(super) fn merge(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum += other);
        self.squares.iter_mut().zip(&other.squares).for_each(|(square, other)| *square += other);
        self
    }

    pub(super) fn normalization(&self) -> Normalization {
        let count = u128::from(self.count.max(1));
        let scale = count as f64 * 255.0;
        let mean = self.sums.iter().map(|&sum| (sum as f64 / scale) as f32).collect();
        let deviation = |(&sum, &square): (&u64, &u64)| {
            // n²·variance = n·Σx² − (Σx)², without rounding.
            match count * u128::from(square) - u128::from(sum) * u128::from(sum) {
                0 => 1.0,
                scaled => ((scaled as f64).sqrt() / scale) as f32,
            }
        };
        let std = self.sums.iter().zip(&self.squares).map(deviation).collect();
        Normalization { mean, std, scale: BYTES, order: ChannelOrder::default() }
    }
}

/// As a formula: `(u8/255 − mean) / std, with mean [0.5] and std [0.25]`.
impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pixel = if self.scale == 1.0 { "u8".into() } else { format!("u8/{}", self.scale) };
        write!(f, "({pixel} − mean) / std, with mean {:?} and std {:?}", self.mean, self.std)?;
        match self.order {
            ChannelOrder::Rgb => Ok(()),
            ChannelOrder::Bgr => f.write_str(", channels blue, green, red"),
        }
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_statistics_centre_and_scale(pixels in prop::collection::vec(any::<[u8; 3]>(), 2..200)) {
            let flat = pixels.concat();
            let mut out = vec![];
            Normalization::of(&flat, 3).apply(&flat, &mut out);
            for c in 0..3 {
                let channel: Vec<f64> = out.iter().skip(c).step_by(3).map(|&x| f64::from(x)).collect();
                let n = channel.len() as f64;
                let mean = channel.iter().sum::<f64>() / n;
                let variance = channel.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                let constant = pixels.iter().all(|p| p[c] == pixels[0][c]);
                // f32 rounds the mean: by 2⁻²⁴, over a deviation that is at least √(n − 1)/n of a grey level.
                let error = 2f64.powi(-23) * 255.0 * n.sqrt() * 2.0;
                prop_assert!(mean.abs() < error, "mean {mean}");
                prop_assert!((variance - f64::from(u8::from(!constant))).abs() < 4.0 * error, "variance {variance}");
            }
        }
    }

    #[test]
    fn normalises_each_channel_by_its_own() {
        let mut out = vec![9.0];
        Normalization::new(vec![0.5, 0.0], vec![0.25, 2.0]).unwrap().apply(&[255, 255, 0, 51], &mut out);
        for (found, expected) in out.iter().zip([9.0, 2.0, 0.5, -2.0, 0.1]) {
            assert_relative_eq!(*found, expected, max_relative = 1e-6);
        }
        assert_eq!(out.len(), 5);
    }

    #[test]
    fn scales_and_orders_are_kept_and_undone() {
        let caffe = Normalization::new(vec![104.0, 117.0, 123.0], vec![1.0; 3]).unwrap().with_scale(1.0).unwrap();
        let caffe = caffe.with_order(ChannelOrder::Bgr);
        let pixels = [10, 20, 30, 0, 128, 255];
        let mut input = vec![];
        caffe.apply(&pixels, &mut input);
        assert_eq!(input, [30.0 - 104.0, 20.0 - 117.0, 10.0 - 123.0, 255.0 - 104.0, 11.0, -123.0]);
        assert_eq!(caffe.undo(&input), pixels);
        assert_eq!(caffe.undo(&[f32::NAN, f32::INFINITY, -f32::INFINITY]), [0, 255, 0]);
        assert_eq!(serde_json::from_str::<Normalization>(&serde_json::to_string(&caffe).unwrap()).unwrap(), caffe);
        assert!(caffe.to_string().starts_with("(u8 − mean) / std") && caffe.to_string().ends_with("blue, green, red"));
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(caffe.clone().with_scale(scale).is_err());
        }
        // As it was saved before there were scales and orders.
        let old = serde_json::from_str::<Normalization>(r#"{"mean":[0.5],"std":[0.25]}"#).unwrap();
        assert_eq!(old, Normalization::new(vec![0.5], vec![0.25]).unwrap());
    }

    #[test]
    fn refuses_what_normalises_nothing() {
        for (mean, std) in [
            (vec![], vec![]),
            (vec![0.5], vec![0.0]),
            (vec![0.5], vec![-1.0]),
            (vec![f32::NAN], vec![1.0]),
            (vec![0.5], vec![f32::INFINITY]),
            (vec![0.5, 0.5], vec![1.0]),
        ] {
            assert!(Normalization::new(mean, std).is_err());
        }
        assert!(serde_json::from_str::<Normalization>(r#"{"mean":[0.5],"std":[0.0]}"#).is_err());
        let good = Normalization::new(vec![0.5], vec![0.25]).unwrap();
        assert_eq!(serde_json::from_str::<Normalization>(&serde_json::to_string(&good).unwrap()).unwrap(), good);
    }
}
