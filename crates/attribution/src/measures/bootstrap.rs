//! Confidence intervals of means over images.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Number of samples drawn with replacement.
const RESAMPLES: usize = 1000;

/// A mean and its confidence interval. A 95 % interval is produced by a procedure whose intervals contain the
/// population mean in 95 % of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The mean of the values, with its confidence interval by the percentile bootstrap. 1000 samples as large as the
/// original are drawn from it with replacement, and the interval ends at the (1 − level)/2 and (1 + level)/2 quantiles
/// of their means (nearest rank). The same seed gives the same interval. (Efron and Tibshirani, *An Introduction to the
/// Bootstrap*, 1993, §13.3.)
///
/// Returns `None` if there are no values. If all values are equal, the interval has width zero, however few there are.
///
/// # Panics
/// If `level` isn't in (0, 1).
#[must_use]
pub fn bootstrap(values: &[f64], level: f64, seed: u64) -> Option<Interval> {
    assert!(level > 0.0 && level < 1.0, "a level lies between 0 and 1, found {level}");
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = |sum: f64| sum / n as f64;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut resample = || mean((0..n).map(|_| values[rng.random_range(0..n)]).sum());
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
    means.sort_by(f64::total_cmp);
    let quantile = |share: f64| means[((share * RESAMPLES as f64).ceil() as usize).clamp(1, RESAMPLES) - 1];
    let tail = (1.0 - level) / 2.0;
    Some(Interval { mean: mean(values.iter().sum()), low: quantile(tail), high: quantile(1.0 - tail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_one_value_and_equal_values() {
        assert_eq!(bootstrap(&[], 0.95, 0), None);
        for values in [&[0.25; 7][..], &[0.25]] {
            assert_eq!(bootstrap(values, 0.95, 0), Some(Interval { mean: 0.25, low: 0.25, high: 0.25 }));
        }
    }

    /// The mean of n values has a standard deviation of σ/√n, and 95 % of a normal distribution lie within 1.96
    /// standard deviations.
    #[test]
    fn the_interval_is_that_of_the_normal_approximation() {
        let values: Vec<f64> = (0..2000).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
        let found = bootstrap(&values, 0.95, 7).unwrap();
        let half = 1.96 * (0.25_f64 * 0.75 / 2000.0).sqrt();
        assert_eq!(found.mean, 0.25);
        assert!(((found.high - 0.25) / half - 1.0).abs() < 0.15 && ((0.25 - found.low) / half - 1.0).abs() < 0.15);
        assert_eq!(bootstrap(&values, 0.95, 7), Some(found));
        let narrow = bootstrap(&values, 0.5, 7).unwrap();
        assert!(narrow.low > found.low && narrow.high < found.high);
    }
}
