//! Enlargement of small pictures.

use image::RgbImage;

/// Pictures are enlarged until their longer side has at least this many pixels.
pub const PANEL: u32 = 200;

/// The integer factor by which a picture of this size is enlarged for display; 1 if it is large enough, or empty.
#[must_use]
pub fn enlargement(width: u32, height: u32) -> u32 {
    PANEL.div_ceil(width.max(height).clamp(1, PANEL))
}

/// The picture with each pixel drawn as a square of [`enlargement`] pixels. A small picture is not smoothed, because
/// the network never saw a smooth one.
#[must_use]
pub fn enlarge(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let factor = enlargement(width, height);
    RgbImage::from_fn(width * factor, height * factor, |x, y| picture[(x / factor, y / factor)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn the_longer_side_reaches_the_panel() {
        let factors = [28, 48, 64, 100, 199, 200, 224, 4000].map(|side| enlargement(side, side / 2));
        assert_eq!(factors, [8, 5, 4, 2, 2, 1, 1, 1]);
    }

    #[test]
    fn pixels_become_squares() {
        let picture = RgbImage::from_fn(50, 2, |x, y| Rgb([x as u8, y as u8, 7]));
        let large = enlarge(&picture);
        assert_eq!(large.dimensions(), (200, 8));
        assert!(large.enumerate_pixels().all(|(x, y, pixel)| *pixel == picture[(x / 4, y / 4)]));
    }
}
