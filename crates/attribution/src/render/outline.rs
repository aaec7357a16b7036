//! A box drawn on a picture.

use image::{Rgb, RgbImage};
use nn::data::Rect;

const LINE: Rgb<u8> = Rgb([255, 255, 255]);
const CASING: Rgb<u8> = Rgb([32, 33, 36]);

/// Draws the edge of a box that is given in pixels of the picture *before* it was enlarged by `factor`. The line is two
/// white pixels inside the box, between two dark ones, so that it is visible on any background. Parts outside of the
/// picture are cut off.
pub fn outline(picture: &mut RgbImage, rect: &Rect, factor: u32) {
    let scaled = |length: usize| length as i64 * i64::from(factor);
    let (top, bottom) = (scaled(rect.top), scaled(rect.bottom()));
    let (left, right) = (scaled(rect.left), scaled(rect.right()));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = (i64::from(x), i64::from(y));
        // How far inside the box the pixel lies: 0 along its edge, negative outside.
        let depth = (x - left).min(right - 1 - x).min(y - top).min(bottom - 1 - y);
        match depth {
            0 | 1 => *pixel = LINE,
            -1 | 2 => *pixel = CASING,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_lies_within_the_box_and_its_casing_around() {
        let mut picture = RgbImage::new(40, 40);
        outline(&mut picture, &Rect { top: 2, left: 3, height: 4, width: 5 }, 4);
        assert_eq!([(12, 8), (13, 9), (31, 23), (30, 15)].map(|at| picture[at]), [LINE; 4]);
        assert_eq!([(11, 7), (14, 10), (32, 24), (11, 15)].map(|at| picture[at]), [CASING; 4]);
        assert_eq!([(10, 6), (15, 11), (33, 25)].map(|at| picture[at]), [Rgb([0, 0, 0]); 3]);
    }

    #[test]
    fn a_box_over_the_edge_is_cut_there() {
        let mut picture = RgbImage::new(10, 10);
        outline(&mut picture, &Rect { top: 5, left: 5, height: 50, width: 50 }, 1);
        assert_eq!(picture[(5, 9)], LINE);
        assert_eq!(picture[(9, 9)], Rgb([0, 0, 0]));
    }
}
