//! How a model's input lies on the picture it was made from.

use std::ops::Range;

use nn::data::{Crop, Rect};

/// How a model's input lies on its picture: the input covers `part` of the picture, edge to edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Height and width of the picture.
    pub picture: (usize, usize),
    /// The part of the picture that became the input.
    pub part: Rect,
    /// Height and width of the input.
    pub input: (usize, usize),
}

impl Framing {
    /// The framing of an input `[H, W]` that was cropped from a picture `[H, W]`.
    ///
    /// # Panics
    /// If the picture or the input has no pixels.
    #[must_use]
    pub fn new(picture: (usize, usize), input: (usize, usize), crop: Crop) -> Self {
        let pixels = [picture.0, picture.1, input.0, input.1].iter().all(|&side| side > 0);
        assert!(pixels, "a picture and an input need pixels, found {picture:?} and {input:?}");
        Self { picture, part: crop.part(picture, input), input }
    }

    /// Converts a position on the picture to a position on the input, along an axis (0 down, 1 right). Both positions
    /// are measured from the edge, so the centre of the first pixel is at 0.5. Positions outside the part lie outside
    /// the input.
    #[must_use]
    pub fn to_input(&self, axis: usize, position: f64) -> f64 {
        let (start, length, input) = self.along(axis);
        (position - start as f64) * input as f64 / length as f64
    }

    /// The pixels that show the input along an axis, in a drawing of the picture with `drawn` pixels.
    pub(super) fn covered(&self, axis: usize, drawn: usize) -> Range<usize> {
        let (start, length, _) = self.along(axis);
        let picture = [self.picture.0, self.picture.1][axis];
        let at = |edge: usize| (edge as f64 * drawn as f64 / picture as f64).round() as usize;
        at(start)..at(start + length)
    }

    /// Start and length of the part, and the input's extent.
    fn along(&self, axis: usize) -> (usize, usize, usize) {
        match axis {
            0 => (self.part.top, self.part.height, self.input.0),
            _ => (self.part.left, self.part.width, self.input.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_part_is_the_input(
            picture in (1_usize..400, 1_usize..400),
            input in (1_usize..300, 1_usize..300),
            enlargement in 1_usize..5,
        ) {
            let framing = Framing::new(picture, input, Crop::Largest);
            for (axis, extent, side) in [(0, input.0, picture.0), (1, input.1, picture.1)] {
                let covered = framing.covered(axis, side * enlargement);
                let on_input = |edge: usize| framing.to_input(axis, edge as f64 / enlargement as f64);
                prop_assert!(on_input(covered.start).abs() < 1e-9);
                prop_assert!((on_input(covered.end) - extent as f64).abs() < 1e-9 * extent as f64);
            }
        }
    }

    #[test]
    fn the_middle_of_a_wide_picture_is_framed() {
        let framing = Framing::new((4, 10), (2, 2), Crop::Largest);
        assert_eq!(framing.part, Rect { top: 0, left: 3, height: 4, width: 4 });
        assert_eq!([framing.to_input(0, 2.0), framing.to_input(1, 4.0)], [1.0, 0.5]);
        assert_eq!([framing.covered(0, 8), framing.covered(1, 20)], [0..8, 6..14]);
    }
}
