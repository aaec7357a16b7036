//! Normalisation of pixels.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::DataError;
use tensor::simd::vectorized;

/// x = (u8/scale − mean) / std, with a mean and a standard deviation for each channel. The default scale is 255.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
    scale: f32,
    order: ChannelOrder,
}

/// The order of the colour channels in a model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red: for networks trained with Caffe, or on pictures read by OpenCV.
    Bgr,
}

/// The default scale, which maps bytes to [0, 1].
const BYTES: f32 = 255.0;
/// Minimum length of a loop that vectorizes well.
const LOOP: usize = 64;

#[derive(Deserialize)]
struct Unchecked {
    mean: Vec<f32>,
    std: Vec<f32>,
    /// Files written before these two fields existed lack them.
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
    /// A normalization with the mean and the standard deviation of each channel, in units of u8/255.
    ///
    /// # Errors
    /// If there are no channels, the numbers of means and deviations differ, a mean isn't finite, or a deviation isn't positive
    /// and finite.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self, DataError> {
        let finite = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        if mean.is_empty() || mean.len() != std.len() || !finite {
            return Err(DataError::Normalization { mean, std });
        }
        Ok(Self { mean, std, scale: BYTES, order: ChannelOrder::default() })
    }

    /// Sets the scale, by which bytes are divided. Means and deviations are in units of u8/`scale`; a scale of 1 is for those
    /// in grey levels.
    ///
    /// # Errors
    /// If the scale isn't positive and finite.
    pub fn with_scale(self, scale: f32) -> Result<Self, DataError> {
        if scale > 0.0 && scale.is_finite() { Ok(Self { scale, ..self }) } else { Err(DataError::Scale(scale)) }
    }

    /// Sets the order of the input's channels, which is also that of the means and deviations. Pixels are always red, green,
    /// blue.
    #[must_use]
    pub fn with_order(self, order: ChannelOrder) -> Self {
        Self { order, ..self }
    }

    /// The mean and the (population) standard deviation of each channel over the pixels `[…, C]`.
    ///
    /// The sums are exact integers. The deviation of a constant channel is set to 1, so that its normalised value is 0. Without
    /// pixels, means are 0 and deviations 1.
    ///
    /// # Panics
    /// If `channels` is zero or doesn't divide the number of values.
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

    /// The scale, by which bytes are divided.
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
    /// If the number of values isn't a multiple of the number of channels.
    pub fn apply(&self, pixels: &[u8], out: &mut Vec<f32>) {
        let start = out.len();
        out.extend(pixels.iter().map(|&pixel| f32::from(pixel)));
        self.normalize(&mut out[start..]);
    }

    /// Normalises pixels `[…, C]` in place. Their values are from 0 to 255, not necessarily whole.
    ///
    /// # Panics
    /// If the number of values isn't a multiple of the number of channels.
    pub fn normalize(&self, values: &mut [f32]) {
        let channels = self.channels();
        assert!(values.len().is_multiple_of(channels), "{} values in {channels} channels", values.len());
        if self.order == ChannelOrder::Bgr {
            values.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
        }
        // A loop over the channels of one pixel is too short, so the parameters are repeated for several pixels.
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

    /// The inverse of [`apply`](Self::apply): the pixels `[…, C]` for normalised values `[…, C]`, rounded to bytes. NaN becomes 0.
    ///
    /// # Panics
    /// If the number of values isn't a multiple of the number of channels.
    #[must_use]
    pub fn undo(&self, values: &[f32]) -> Vec<u8> {
        let channels = self.channels();
        assert!(values.len().is_multiple_of(channels), "{} values in {channels} channels", values.len());
        let byte = |value: f32, c: usize| ((value * self.std[c] + self.mean[c]) * self.scale).round() as u8;
        // Each order is its own inverse.
        let bytes =
            |value: &[f32]| (0..channels).map(|c| self.channel(c)).map(|c| byte(value[c], c)).collect::<Vec<_>>();
        values.chunks_exact(channels).flat_map(bytes).collect()
    }

    /// The channel of a pixel that becomes channel `c` of the input.
    fn channel(&self, c: usize) -> usize {
        match self.order {
            ChannelOrder::Rgb => c,
            ChannelOrder::Bgr => self.channels() - 1 - c,
        }
    }
}

/// Exact sums over pixels, for the mean and the deviation of each channel.
#[derive(Clone, Debug)]
pub(super) struct ChannelSums {
    /// Number of pixels.
    count: u64,
    /// Σx for each channel.
    sums: Vec<u64>,
    /// Σx² for each channel.
    squares: Vec<u64>,
}

impl ChannelSums {
    pub(super) fn new(channels: usize) -> Self {
        Self { count: 0, sums: vec![0; channels], squares: vec![0; channels] }
    }

    /// Adds pixels `[…, C]`.
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

    /// The sums over the pixels of both.
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
            // n²·variance = n·Σx² − (Σx)², computed without rounding.
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
                // The mean is rounded to f32, by 2⁻²⁴; the deviation is at least √(n − 1)/n grey levels.
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
    fn scales_and_orders_are_applied_and_undone() {
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
        // As saved before scales and orders existed.
        let old = serde_json::from_str::<Normalization>(r#"{"mean":[0.5],"std":[0.25]}"#).unwrap();
        assert_eq!(old, Normalization::new(vec![0.5], vec![0.25]).unwrap());
    }

    #[test]
    fn invalid_means_and_deviations_are_refused() {
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
