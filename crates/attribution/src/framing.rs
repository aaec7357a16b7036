//! How a model's input lies on the picture it was made from.

use ndarray::{Array2, ArrayView2};
use nn::data::{Crop, Rect};

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
    /// Of a picture `[H, W]`, what becomes of an input `[H, W]` under this crop.
    ///
    /// # Panics
    ///
    /// If the picture or the input has no pixel.
    #[must_use]
    pub fn new(picture: (usize, usize), input: (usize, usize), crop: Crop) -> Self {
        let pixels = [picture.0, picture.1, input.0, input.1].iter().all(|&side| side > 0);
        assert!(pixels, "a picture and an input need pixels, found {picture:?} and {input:?}");
        Self { picture, part: crop.part(picture, input), input }
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
        fn there_and_back(
            picture in (1usize..400, 1usize..400),
            input in (1usize..300, 1usize..300),
            place in (0.0f64..300.0, 0.0f64..300.0),
        ) {
            let framing = Framing::new(picture, input, Crop::Largest);
            let (row, column) = framing.to_input(framing.to_picture(place));
            prop_assert!((row - place.0).abs() < 1e-9 * 300.0 * 400.0 && (column - place.1).abs() < 1e-9 * 300.0 * 400.0);
        }
    }

    #[test]
    fn the_middle_of_a_wide_picture_is_framed() {
        let framing = Framing::new((4, 10), (2, 2), Crop::Largest);
        assert_eq!(framing.part, Rect { top: 0, left: 3, height: 4, width: 4 });
        assert_eq!(framing.to_picture((1.0, 0.5)), (2.0, 4.0));
        assert_eq!(framing.to_input((2.0, 4.0)), (1.0, 0.5));
        let spread = framing.spread(Array2::from_elem((7, 7), 1.0).view());
        assert_eq!(spread, Array2::from_shape_fn((4, 10), |(_, x)| f32::from(u8::from((3..7).contains(&x)))));
    }
}
