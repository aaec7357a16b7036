//! How an image is moved, and its mask with it.

use super::{affine, crop, flip, shift};
use crate::data::Rect;

/// The drawn changes of an image's geometry, in this order.
#[derive(Clone, Debug, Default)]
pub(super) struct Motion {
    /// The part that is resized to the whole image.
    pub(super) part: Option<Rect>,
    /// The angle of rotation in radians, and the factor of scale.
    pub(super) turn: Option<(f64, f64)>,
    /// The shift `[dy, dx]`.
    pub(super) by: Option<[isize; 2]>,
    /// Whether it is flipped.
    pub(super) flip: bool,
}

impl Motion {
    /// Moves an image `[H, W, C]`. Values between pixels are interpolated.
    pub(super) fn move_image(&self, image: &mut [f32], shape: [usize; 3], scratch: &mut Vec<f32>) {
        if let Some(part) = self.part {
            moved(image, scratch, |from, to| crop::crop(from, to, shape, part));
        }
        if let Some((angle, factor)) = self.turn {
            moved(image, scratch, |from, to| affine::affine(from, to, shape, angle, factor));
        }
        if let Some(by) = self.by {
            moved(image, scratch, |from, to| shift::shift(from, to, shape, by));
        }
        if self.flip {
            flip::flip(image, shape);
        }
    }

    /// Moves a mask `[H, W]`. Each pixel gets the nearest one's class, or 0 outside the mask.
    pub(super) fn move_mask(&self, mask: &mut [f32], [h, w]: [usize; 2]) {
        let mut scratch = Vec::new();
        if let Some(part) = self.part {
            moved(mask, &mut scratch, |from, to| crop::crop_nearest(from, to, [h, w], part));
        }
        if let Some((angle, factor)) = self.turn {
            moved(mask, &mut scratch, |from, to| affine::affine_nearest(from, to, [h, w], angle, factor));
        }
        if let Some(by) = self.by {
            moved(mask, &mut scratch, |from, to| shift::shift(from, to, [h, w, 1], by));
        }
        if self.flip {
            flip::flip(mask, [h, w, 1]);
        }
    }
}

/// Calls `write` with a copy of the image and the image itself, which it overwrites.
fn moved(image: &mut [f32], scratch: &mut Vec<f32>, write: impl FnOnce(&[f32], &mut [f32])) {
    scratch.clear();
    scratch.extend_from_slice(image);
    write(scratch, image);
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use super::*;

    fn motions() -> [(&'static str, Motion); 6] {
        let part = Rect { top: 4, left: 2, height: 11, width: 13 };
        [
            ("crop", Motion { part: Some(part), ..Motion::default() }),
            ("quarter turn", Motion { turn: Some((FRAC_PI_2, 1.0)), ..Motion::default() }),
            ("turn and scale", Motion { turn: Some((0.4, 0.8)), ..Motion::default() }),
            ("shift", Motion { by: Some([3, -2]), ..Motion::default() }),
            ("flip", Motion { flip: true, ..Motion::default() }),
            ("all", Motion { part: Some(part), turn: Some((-0.2, 1.1)), by: Some([-1, 2]), flip: true }),
        ]
    }

    /// An image that shows its mask stays one that does: where interpolation gives one of two colours, the mask has that class.
    #[test]
    fn a_mask_moves_with_its_image() {
        let side = 24;
        let inside = |at: usize| (5..17).contains(&(at / side)) && (3..12).contains(&(at % side));
        let mask: Vec<f32> = (0..side * side).map(|at| f32::from(u8::from(inside(at)))).collect();
        let image: Vec<f32> = mask.iter().flat_map(|&class| [200.0 * class, 100.0 * class]).collect();
        for (name, motion) in motions() {
            let (mut image, mut moved) = (image.clone(), mask.clone());
            motion.move_image(&mut image, [side, side, 2], &mut Vec::new());
            motion.move_mask(&mut moved, [side, side]);
            let mut certain = 0;
            for (pixel, &class) in image.chunks_exact(2).zip(&moved) {
                if pixel[0] < 1.0 || pixel[0] > 199.0 {
                    certain += 1;
                    assert_eq!(class, (pixel[0] / 200.0).round(), "{name}");
                }
            }
            assert!(certain > side * side * 3 / 5, "{name}: {certain}");
            assert_ne!(moved, mask, "{name}");
        }
    }
}
