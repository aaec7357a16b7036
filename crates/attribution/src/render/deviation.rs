//! Signed values as pictures.

use image::{Rgb, RgbImage};
use ndarray::{ArrayView3, Axis};

use crate::map::{PERCENTILE, percentile};

/// Signed values `[h, w, C]` as a picture: grey for 0, brighter above, darker below. Three channels are red, green and blue;
/// of any other number, the mean is drawn. The [`PERCENTILE`] of the magnitudes has the full brightness. The usual drawing
/// of filters, and of a unit's gradients beside the picture that they are of.
#[must_use]
pub fn deviation(values: ArrayView3<f32>) -> RgbImage {
    let (height, width, channels) = values.dim();
    let drawn = match channels {
        3 => values.to_owned(),
        _ => values.mean_axis(Axis(2)).unwrap_or_default().insert_axis(Axis(2)),
    };
    let scale = percentile(drawn.iter().copied(), PERCENTILE);
    let byte =
        |value: f32| if value == 0.0 { 128 } else { (128.0 + 127.0 * (value / scale).clamp(-1.0, 1.0)).round() as u8 };
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb([0, 1, 2].map(|c| byte(drawn[[y as usize, x as usize, if channels == 3 { c } else { 0 }]])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn zero_is_grey_and_the_largest_value_is_full() {
        let values = array![[[0.0, 2.0, -2.0], [1.0, 0.5, -0.5]]];
        let picture = deviation(values.view());
        assert_eq!(picture.dimensions(), (2, 1));
        assert_eq!((picture[(0, 0)].0, picture[(1, 0)].0), ([128, 255, 1], [192, 160, 96]));
        assert_eq!(deviation(array![[[3.0], [-1.5]]].view())[(1, 0)].0, [65; 3], "127/2 below 128, rounded");
        assert_eq!(deviation(array![[[0.0, 0.0]]].view())[(0, 0)].0, [128; 3]);
        assert_eq!(deviation(array![[[1.0, 3.0], [-4.0, 0.0]]].view())[(0, 0)].0, [255; 3], "the mean, 2 of at most 2");
    }
}
