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

    /// Converts a position on the input to a position on the picture, along an axis; the reverse of
    /// [`to_input`](Self::to_input).
    #[must_use]
    pub fn to_picture(&self, axis: usize, position: f64) -> f64 {
        let (start, length, input) = self.along(axis);
        start as f64 + position * length as f64 / input as f64
    }

    /// The part of a box that lies on the input, in whole pixels of the input; `None` if there is none. The box's left,
    /// top, right and bottom edges are in pixels of the picture. A pixel belongs to the box if its centre does; a box
    /// that contains no centre becomes one pixel.
    #[must_use]
    pub fn box_on_input(&self, [left, top, right, bottom]: [f64; 4]) -> Option<Rect> {
        let along = |axis: usize, start: f64, end: f64| {
            let extent = [self.input.0, self.input.1][axis];
            let [start, end] = [start, end].map(|edge| self.to_input(axis, edge).clamp(0.0, extent as f64));
            if start >= end {
                return None;
            }
            // The centre of pixel i is at i + 0.5.
            let [first, after] = [start, end].map(|edge| (edge - 0.5).ceil() as usize);
            Some(if first < after { (first, after - first) } else { (((start + end) / 2.0) as usize, 1) })
        };
        let ((top, height), (left, width)) = (along(0, top, bottom)?, along(1, left, right)?);
        Some(Rect { top, left, height, width })
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
            edges in prop::array::uniform4(0.0..400.0),
        ) {
            let framing = Framing::new(picture, input, Crop::Largest);
            for (axis, extent, side) in [(0, input.0, picture.0), (1, input.1, picture.1)] {
                let covered = framing.covered(axis, side * enlargement);
                let on_input = |edge: usize| framing.to_input(axis, edge as f64 / enlargement as f64);
                prop_assert!(on_input(covered.start).abs() < 1e-9);
                prop_assert!((on_input(covered.end) - extent as f64).abs() < 1e-9 * extent as f64);
                prop_assert!((framing.to_input(axis, framing.to_picture(axis, edges[0])) - edges[0]).abs() < 1e-9);
            }
            // Against every pixel's centre.
            let [a, b, c, d] = edges;
            let edges @ [left, top, right, bottom] = [a.min(b), c.min(d), a.max(b), c.max(d)];
            let inside = |y: usize, x: usize| {
                let (y, x) = (framing.to_picture(0, y as f64 + 0.5), framing.to_picture(1, x as f64 + 0.5));
                (top..bottom).contains(&y) && (left..right).contains(&x)
            };
            let pixels = (0..input.0).flat_map(|y| (0..input.1).map(move |x| (y, x)));
            if let Some(expected) = Rect::enclosing(pixels.filter(|&(y, x)| inside(y, x))) {
                prop_assert_eq!(framing.box_on_input(edges), Some(expected));
            } else if let Some(found) = framing.box_on_input(edges) {
                prop_assert!(found.height == 1 || found.width == 1);
                prop_assert!(found.bottom() <= input.0 && found.right() <= input.1);
            }
        }
    }

    #[test]
    fn the_middle_of_a_wide_picture_is_framed() {
        let framing = Framing::new((4, 10), (2, 2), Crop::Largest);
        assert_eq!(framing.part, Rect { top: 0, left: 3, height: 4, width: 4 });
        assert_eq!([framing.to_input(0, 2.0), framing.to_input(1, 4.0)], [1.0, 0.5]);
        assert_eq!([framing.covered(0, 8), framing.covered(1, 20)], [0..8, 6..14]);
        let place = |top, left, height, width| Some(Rect { top, left, height, width });
        assert_eq!(framing.box_on_input([0.0, 0.0, 5.0, 4.0]), place(0, 0, 2, 1));
        assert_eq!(framing.box_on_input([5.4, 1.0, 5.6, 4.0]), place(0, 1, 2, 1));
        assert_eq!(framing.box_on_input([0.0, 0.0, 3.0, 4.0]), None, "beside the part");
    }
}
