//! Input-level maps, which speak for a class and against it.

use image::RgbImage;
use ndarray::{Array2, ArrayView3, Axis};

use super::signed_color;

/// The percentile of the absolute values that gets the full colour, see [`signed_scale`].
pub const PERCENTILE: f64 = 99.0;

/// How the channels of a pixel become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum: what the pixel's contributions come to. Opposite signs cancel.
    #[default]
    Sum,
    /// The one with the largest absolute value, with its sign; the first of equals.
    MaxAbs,
}

impl Reduction {
    fn apply(self, map: ArrayView3<f32>) -> Array2<f32> {
        map.map_axis(Axis(2), |channels| match self {
            Reduction::Sum => channels.sum(),
            Reduction::MaxAbs => {
                channels.fold(0.0, |most: f32, &v| if v.abs() > most.abs() || v.is_nan() { v } else { most })
            }
        })
    }
}

/// A signed map `[H, W, C]` as a picture of `H` rows and `W` columns: red speaks for, blue against, near-white says nothing.
///
/// The scale is symmetric, so that 0 is near-white; `full` and −`full` get the full colour, and what lies beyond them too:
/// see [`signed_scale`]. Pixels that aren't numbers are grey.
#[must_use]
pub fn signed(map: ArrayView3<f32>, reduction: Reduction, full: f32) -> RgbImage {
    let map = reduction.apply(map);
    let (height, width) = map.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let value = map[[y as usize, x as usize]];
        // An all-zero map has the scale 0, and 0 / 0 is no number.
        signed_color(if value == 0.0 { 0.0 } else { value / full })
    })
}

/// A scale for [`signed`]: the `percentile` (nearest rank) of the absolute values, so that a few extreme pixels don't fade all
/// others. If that is 0, as in a map with few pixels that say anything, the largest value takes its place.
///
/// # Panics
///
/// If `percentile` isn't in `[0, 100]`.
#[must_use]
pub fn signed_scale(map: ArrayView3<f32>, reduction: Reduction, percentile: f64) -> f32 {
    scale(&reduction.apply(map), percentile)
}

fn scale(map: &Array2<f32>, percentile: f64) -> f32 {
    assert!((0.0..=100.0).contains(&percentile), "a percentile lies in [0, 100], found {percentile}");
    let mut sizes: Vec<f32> = map.iter().map(|v| v.abs()).filter(|v| v.is_finite()).collect();
    sizes.sort_by(f32::total_cmp);
    let rank = (percentile / 100.0 * sizes.len() as f64).ceil() as usize;
    let at = |rank: usize| sizes.get(rank.saturating_sub(1)).copied().unwrap_or(0.0);
    if at(rank) > 0.0 { at(rank) } else { at(sizes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use ndarray::{Array3, array};

    #[test]
    fn channels_are_reduced_as_named() {
        let map = array![[[1.0, -3.0, 0.5], [2.0, -2.0, 0.0], [0.0, 0.0, 0.0]]];
        assert_eq!(Reduction::Sum.apply(map.view()), array![[-1.5, 0.0, 0.0]]);
        assert_eq!(Reduction::MaxAbs.apply(map.view()), array![[-3.0, 2.0, 0.0]]);
        assert!(Reduction::MaxAbs.apply(array![[[1.0, f32::NAN]]].view())[[0, 0]].is_nan());
    }

    #[test]
    fn the_percentile_is_the_nearest_rank() {
        let map =
            Array2::from_shape_fn((10, 10), |(y, x)| (10 * y + x + 1) as f32 * if x % 2 == 0 { -1.0 } else { 1.0 });
        assert_eq!([100.0, 99.0, 98.5, 50.0, 0.0].map(|p| scale(&map, p)), [100.0, 99.0, 99.0, 50.0, 1.0]);
        let mut sparse = Array2::zeros((20, 20));
        sparse[[3, 3]] = -7.0;
        assert_eq!(scale(&sparse, 99.0), 7.0);
        sparse[[0, 0]] = f32::NAN;
        assert_eq!(scale(&sparse, 100.0), 7.0);
        assert_eq!(scale(&Array2::zeros((0, 0)), 99.0), 0.0);
    }

    #[test]
    fn signs_keep_their_colours() {
        let picture = signed(array![[[4.0], [-4.0], [0.0], [f32::NAN]]].view(), Reduction::Sum, 4.0);
        let wanted = [signed_color(1.0), signed_color(-1.0), signed_color(0.0), Rgb([128, 128, 128])];
        assert!(picture.pixels().eq(&wanted));
        let blank = signed(Array3::zeros((2, 3, 3)).view(), Reduction::Sum, 0.0);
        assert_eq!(blank, RgbImage::from_pixel(3, 2, signed_color(0.0)));
    }
}
