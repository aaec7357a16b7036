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
        let part = match crop {
            Crop::Largest => centred(picture, input, 1.0),
            Crop::Centre(share) => centred(picture, input, share.into()),
            Crop::Squeezed => Rect { top: 0, left: 0, height: picture.0, width: picture.1 },
        };
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

/// The largest part with the input's proportions (to the nearest pixel), or a share of its height and width; in the middle.
fn centred(picture: (usize, usize), input: (usize, usize), share: f64) -> Rect {
    // a · b / c, rounded; in 128 bits, which no product of two sizes overflows.
    let scaled = |a: usize, b: usize, c: usize| ((a as u128 * b as u128 + c as u128 / 2) / c as u128).max(1) as usize;
    let part = |side: usize| ((side as f64 * share).round() as usize).clamp(1, side);
    let height = part(scaled(picture.1, input.0, input.1).min(picture.0));
    let width = part(scaled(picture.0, input.1, input.0).min(picture.1));
    Rect { top: (picture.0 - height) / 2, left: (picture.1 - width) / 2, height, width }
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
            let Framing { part, .. } = Framing::new(picture, input, Crop::Largest);
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
            let framing = Framing::new(picture, input, Crop::Largest);
            let (row, column) = framing.to_input(framing.to_picture(place));
            prop_assert!((row - place.0).abs() < 1e-9 * 300.0 * 400.0 && (column - place.1).abs() < 1e-9 * 300.0 * 400.0);
        }
    }

    #[test]
    fn crops_of_a_photograph() {
        // "Resize to 256, crop to 224": of 256 × 384, the middle 224 × 224.
        let part = |crop| Framing::new((256, 384), (224, 224), crop).part;
        assert_eq!(part(Crop::centre(0.875).unwrap()), Rect { top: 16, left: 80, height: 224, width: 224 });
        assert_eq!(part(Crop::Largest), Rect { top: 0, left: 64, height: 256, width: 256 });
        assert_eq!(part(Crop::Squeezed), Rect { top: 0, left: 0, height: 256, width: 384 });
        // However small the share, a pixel is left.
        assert_eq!(Framing::new((2, 2), (224, 224), Crop::centre(1e-9).unwrap()).part.area(), 1);
    }
}
