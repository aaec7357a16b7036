//! A heatmap over the picture that it explains.

use image::{Rgb, RgbImage};
use ndarray::ArrayView2;

use super::Colormap;
use crate::upsample::{Alignment, upsample};

/// The opacity of the strongest evidence that leaves the picture's shapes visible under it.
pub const OPACITY: f32 = 0.8;

/// The picture, with the colour of each strength laid over it: a map `[h, w]` of values in `[0, 1]`, of any resolution, is
/// upsampled to the picture, and a pixel of strength m becomes (1 − αm) · picture + αm · colour(m), with α the opacity.
///
/// So the picture stays untouched where there is no evidence, instead of being tinted with the map's lowest colour.
/// A value that isn't a number shows as grey.
///
/// # Panics
///
/// If the map has no cell.
#[must_use]
pub fn overlay(picture: &RgbImage, map: ArrayView2<f32>, colormap: Colormap, opacity: f32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let map = upsample(map, height as usize, width as usize, Alignment::HalfPixel);
    RgbImage::from_fn(width, height, |x, y| {
        let strength = map[[y as usize, x as usize]];
        let weight = if strength.is_nan() { 1.0 } else { strength.clamp(0.0, 1.0) };
        blend(picture[(x, y)], colormap.color(strength), opacity * weight)
    })
}

/// (1 − t) · under + t · over, for t in `[0, 1]`.
pub(super) fn blend(Rgb(under): Rgb<u8>, Rgb(over): Rgb<u8>, t: f32) -> Rgb<u8> {
    let channel = |i: usize| f32::from(under[i]) + t * (f32::from(over[i]) - f32::from(under[i]));
    Rgb([0, 1, 2].map(|i| channel(i).round() as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn nothing_stays_and_the_strongest_is_covered() {
        let picture = RgbImage::from_fn(6, 4, |x, y| Rgb([40 * x as u8, 60 * y as u8, 99]));
        assert_eq!(overlay(&picture, Array2::zeros((2, 3)).view(), Colormap::Jet, 1.0), picture);
        assert_eq!(overlay(&picture, Array2::ones((2, 3)).view(), Colormap::Jet, 0.0), picture);
        let covered = overlay(&picture, Array2::ones((2, 3)).view(), Colormap::Inferno, 1.0);
        assert!(covered.pixels().all(|&pixel| pixel == Colormap::Inferno.color(1.0)));
    }

    #[test]
    fn opacity_is_weighted_by_strength() {
        let picture = RgbImage::from_pixel(1, 1, Rgb([0, 0, 0]));
        // Jet at ½ is (128, 255, 128); a weight of 0.8 · ½ leaves 40 % of it.
        let out = overlay(&picture, array![[0.5f32]].view(), Colormap::Jet, 0.8);
        assert_eq!(out[(0, 0)], Rgb([51, 102, 51]));
    }

    #[test]
    fn what_is_no_number_is_grey() {
        let picture = RgbImage::from_pixel(1, 1, Rgb([250, 0, 0]));
        let out = overlay(&picture, array![[f32::NAN]].view(), Colormap::Inferno, 1.0);
        assert_eq!(out[(0, 0)], Rgb([128, 128, 128]));
    }
}
