//! Trivial maps, which any explanation must beat.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The standard deviation of the [centred Gaussian](centred_gaussian), as a fraction of each side.
const DEVIATION: f64 = 0.25;

/// A Gaussian in the middle of the picture, `[height, width]`, 1 at its centre, with a standard deviation of a quarter
/// of each side. Photographers put their subjects in the middle, so a data set on which this map scores well measures
/// little.
#[must_use]
pub fn centred_gaussian(height: usize, width: usize) -> Array2<f32> {
    let at = |i: usize, extent: usize| ((i as f64 + 0.5) / extent as f64 - 0.5) / DEVIATION;
    Array2::from_shape_fn((height, width), |(y, x)| {
        (-0.5 * (at(y, height).powi(2) + at(x, width).powi(2))).exp() as f32
    })
}

/// Uniform noise in [0, 1), `[height, width]`: the score of chance. Each `index` is an independent stream of the seed.
#[must_use]
pub fn noise(height: usize, width: usize, seed: u64, index: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    Array2::from_shape_simple_fn((height, width), || rng.random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gaussian_is_centred_and_falls_by_its_deviation() {
        let map = centred_gaussian(8, 24);
        let mut turned = map.clone();
        turned.invert_axis(ndarray::Axis(0));
        turned.invert_axis(ndarray::Axis(1));
        assert_eq!(map, turned, "the same from both ends");
        // From 1/16 to 5/16 of the height from the middle: one standard deviation further out.
        let falls = |a: f64, b: f64| (-0.5 * ((b / 0.25).powi(2) - (a / 0.25).powi(2))).exp();
        let found = f64::from(map[[1, 11]]) / f64::from(map[[3, 11]]);
        assert!((found - falls(1.0 / 16.0, 5.0 / 16.0)).abs() < 1e-6);
        assert_eq!(centred_gaussian(5, 5)[[2, 2]], 1.0);
    }

    #[test]
    fn noise_is_uniform_and_differs_between_images() {
        let map = noise(100, 100, 3, 5);
        let mean = map.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e4;
        // The mean of 10⁴ uniform numbers has a standard deviation of 1/√(12 · 10⁴) = 0.0029.
        assert!((mean - 0.5).abs() < 5.0 * 0.0029 && map.iter().all(|v| (0.0..1.0).contains(v)));
        assert_eq!(map, noise(100, 100, 3, 5));
        assert!(map != noise(100, 100, 3, 6) && map != noise(100, 100, 4, 5));
    }
}
