//! From bytes to the numbers that a network sees.

use serde::{Deserialize, Serialize};

use super::DataError;

/// x = (u8/255 − mean) / std, with a mean and a standard deviation for each channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
}

#[derive(Deserialize)]
struct Unchecked {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl TryFrom<Unchecked> for Normalization {
    type Error = DataError;

    fn try_from(Unchecked { mean, std }: Unchecked) -> Result<Self, DataError> {
        Self::new(mean, std)
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
        Ok(Self { mean, std })
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
        assert!(
            channels > 0 && pixels.len().is_multiple_of(channels),
            "{} values in {channels} channels",
            pixels.len()
        );
        let count = (pixels.len() / channels).max(1) as u128;
        let (mut sums, mut squares) = (vec![0u64; channels], vec![0u64; channels]);
        for pixel in pixels.chunks_exact(channels) {
            for (c, &value) in pixel.iter().enumerate() {
                sums[c] += u64::from(value);
                squares[c] += u64::from(value) * u64::from(value);
            }
        }
        let scale = count as f64 * 255.0;
        let mean = sums.iter().map(|&sum| (sum as f64 / scale) as f32).collect();
        let deviation = |(&sum, &square): (&u64, &u64)| {
            // n²·variance = n·Σx² − (Σx)², without rounding.
            match count * u128::from(square) - u128::from(sum) * u128::from(sum) {
                0 => 1.0,
                scaled => ((scaled as f64).sqrt() / scale) as f32,
            }
        };
        let std = sums.iter().zip(&squares).map(deviation).collect();
        Self { mean, std }
    }

    /// The mean of each channel.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviation of each channel.
    #[must_use]
    pub fn std(&self) -> &[f32] {
        &self.std
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
        let channels = self.channels();
        assert!(pixels.len().is_multiple_of(channels), "{} values in {channels} channels", pixels.len());
        let statistics = self.mean.iter().zip(&self.std).cycle();
        out.extend(pixels.iter().zip(statistics).map(|(&value, (mean, std))| (f32::from(value) / 255.0 - mean) / std));
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
