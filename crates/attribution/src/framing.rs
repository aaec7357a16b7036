//! How a model's input lies on the picture it was made from.

use ndarray::{Array2, ArrayView2};
use nn::data::Rect;

use crate::upsample::{Alignment, upsample};

/// How a model's input lies on the picture it was made from: the input covers `part` of the picture, edge to edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Height and width of the picture.
    pub picture: (usize, usize),
    /// What of the picture became the input.
    pub part: Rect,
    /// Height and width of the input.
    pub input: (usize, usize),
}

impl Framing {
    /// The largest part with the input's proportions (to the nearest pixel), in the middle.
    pub(crate) fn centred(picture: (usize, usize), input: (usize, usize)) -> Self {
        assert!(input.0 > 0 && input.1 > 0, "an input needs pixels, found [{}, {}]", input.0, input.1);
        // a · b / c, rounded; in 128 bits, which no product of two sizes overflows.
        let scaled =
            |a: usize, b: usize, c: usize| ((a as u128 * b as u128 + c as u128 / 2) / c as u128).max(1) as usize;
        let height = scaled(picture.1, input.0, input.1).min(picture.0);
        let width = scaled(picture.0, input.1, input.0).min(picture.1);
        let part = Rect { top: (picture.0 - height) / 2, left: (picture.1 - width) / 2, height, width };
        Self { picture, part, input }
    }

    /// The place (row, column) on the picture of a place on the input. Both are measured from the upper left corner of the
    /// upper left pixel, whose centre is thus (0.5, 0.5).
    #[must_use]
    pub fn to_picture(&self, (row, column): (f64, f64)) -> (f64, f64) {
        let part = &self.part;
        (
            part.top as f64 + row * part.height as f64 / self.input.0 as f64,
            part.left as f64 + column * part.width as f64 / self.input.1 as f64,
        )
    }

    /// The place on the input of a place on the picture; outside `[0, height] × [0, width]` if the input doesn't show it.
    #[must_use]
    pub fn to_input(&self, (row, column): (f64, f64)) -> (f64, f64) {
        let part = &self.part;
        (
            (row - part.top as f64) * self.input.0 as f64 / part.height as f64,
            (column - part.left as f64) * self.input.1 as f64 / part.width as f64,
        )
    }

    /// A map `[h, w]` over the input, of any resolution, as a map `[H, W]` over the picture: 0 where the input doesn't
    /// reach.
    ///
    /// # Panics
    ///
    /// If the map has no cell.
    #[must_use]
    pub fn spread(&self, map: ArrayView2<f32>) -> Array2<f32> {
        let part = self.part;
        let over_part = upsample(map, part.height, part.width, Alignment::HalfPixel);
        Array2::from_shape_fn(self.picture, |(row, column)| {
            if part.contains(row, column) { over_part[[row - part.top, column - part.left]] } else { 0.0 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_part_lies_within_and_in_the_middle(
            picture in (1usize..400, 1usize..400),
            input in (1usize..300, 1usize..300),
        ) {
            let Framing { part, .. } = Framing::centred(picture, input);
            prop_assert!(part.area() > 0 && part.height <= picture.0 && part.width <= picture.1);
            // One side is whole, the other as long as the proportions want, to the nearest pixel.
            let (height, width) = (part.height as f64, part.width as f64);
            let (wide, tall) = (height * input.1 as f64 / input.0 as f64, width * input.0 as f64 / input.1 as f64);
            let fits = |length: f64, wanted: f64| (length - wanted.max(1.0)).abs() <= 0.5;
            prop_assert!(
                part.height == picture.0 && fits(width, wide) || part.width == picture.1 && fits(height, tall)
            );
            prop_assert!((picture.0 - part.height - part.top).abs_diff(part.top) <= 1);
            prop_assert!((picture.1 - part.width - part.left).abs_diff(part.left) <= 1);
        }

        #[test]
        fn there_and_back(
            picture in (1usize..400, 1usize..400),
            input in (1usize..300, 1usize..300),
            place in (0.0f64..300.0, 0.0f64..300.0),
        ) {
            let framing = Framing::centred(picture, input);
            let (row, column) = framing.to_input(framing.to_picture(place));
            prop_assert!((row - place.0).abs() < 1e-9 * 300.0 * 400.0 && (column - place.1).abs() < 1e-9 * 300.0 * 400.0);
        }
    }
}
