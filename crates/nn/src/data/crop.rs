//! Which part of a picture becomes a model's input.

use serde::{Deserialize, Serialize};

use super::{DataError, Rect};

/// Which part of a picture becomes a model's input: it is cut out and resized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The largest centred part with the input's aspect ratio.
    #[default]
    Largest,
    /// A share of the height and width of the largest such part, in its centre.
    Centre(Share),
    /// The whole picture, whatever its aspect ratio.
    Squeezed,
}

/// A share in (0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl TryFrom<f64> for Share {
    type Error = DataError;

    fn try_from(share: f64) -> Result<Self, DataError> {
        if share > 0.0 && share <= 1.0 { Ok(Self(share)) } else { Err(DataError::Share(share)) }
    }
}

impl From<Share> for f64 {
    fn from(Share(share): Share) -> Self {
        share
    }
}

impl Crop {
    /// A share of the height and width of the largest part, in its centre: 0.875 is the usual "resize to 256, crop to 224".
    ///
    /// # Errors
    /// If the share isn't in (0, 1].
    pub fn centre(share: f64) -> Result<Self, DataError> {
        Ok(Self::Centre(share.try_into()?))
    }

    /// The part of a picture (height, width) that becomes an input (height, width). Its aspect ratio is the input's, rounded to
    /// whole pixels.
    ///
    /// # Panics
    /// If the picture or the input has no pixels.
    #[must_use]
    pub fn part(self, picture: (usize, usize), input: (usize, usize)) -> Rect {
        let pixels = [picture.0, picture.1, input.0, input.1].iter().all(|&side| side > 0);
        assert!(pixels, "a picture and an input need pixels, found {picture:?} and {input:?}");
        match self {
            Self::Largest => centred(picture, input, 1.0),
            Self::Centre(Share(share)) => centred(picture, input, share),
            Self::Squeezed => Rect { top: 0, left: 0, height: picture.0, width: picture.1 },
        }
    }
}

/// A share of the height and width of the largest part with the input's aspect ratio, in the centre.
fn centred(picture: (usize, usize), input: (usize, usize), share: f64) -> Rect {
    // a · b / c, rounded; in 128 bits, where a product of two sizes can't overflow.
    let scaled = |a: usize, b: usize, c: usize| ((a as u128 * b as u128 + c as u128 / 2) / c as u128).max(1) as usize;
    let part = |side: usize| ((side as f64 * share).round() as usize).clamp(1, side);
    let height = part(scaled(picture.1, input.0, input.1).min(picture.0));
    let width = part(scaled(picture.0, input.1, input.0).min(picture.1));
    Rect { top: (picture.0 - height) / 2, left: (picture.1 - width) / 2, height, width }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_part_lies_within_and_in_the_middle(
            picture in (1usize..400, 1usize..400),
            input in (1usize..300, 1usize..300),
        ) {
            let part = Crop::Largest.part(picture, input);
            prop_assert!(part.area() > 0 && part.height <= picture.0 && part.width <= picture.1);
            // One side is the picture's, the other follows from the aspect ratio, to the nearest pixel.
            let (height, width) = (part.height as f64, part.width as f64);
            let (wide, tall) = (height * input.1 as f64 / input.0 as f64, width * input.0 as f64 / input.1 as f64);
            let fits = |length: f64, wanted: f64| (length - wanted.max(1.0)).abs() <= 0.5;
            prop_assert!(
                part.height == picture.0 && fits(width, wide) || part.width == picture.1 && fits(height, tall)
            );
            prop_assert!((picture.0 - part.height - part.top).abs_diff(part.top) <= 1);
            prop_assert!((picture.1 - part.width - part.left).abs_diff(part.left) <= 1);
        }
    }

    #[test]
    fn crops_of_a_photograph() {
        // "Resize to 256, crop to 224": the central 224 × 224 of 256 × 384.
        let part = |crop: Crop| crop.part((256, 384), (224, 224));
        assert_eq!(part(Crop::centre(0.875).unwrap()), Rect { top: 16, left: 80, height: 224, width: 224 });
        assert_eq!(part(Crop::Largest), Rect { top: 0, left: 64, height: 256, width: 256 });
        assert_eq!(part(Crop::Squeezed), Rect { top: 0, left: 0, height: 256, width: 384 });
        // At least one pixel remains, however small the share.
        assert_eq!(Crop::centre(1e-9).unwrap().part((2, 2), (224, 224)).area(), 1);
    }

    #[test]
    fn shares_are_above_0_and_at_most_1() {
        for share in [0.0, -0.5, 1.01, f64::NAN] {
            assert!(Crop::centre(share).unwrap_err().to_string().contains("more than 0 and at most 1"));
            assert!(serde_json::from_str::<Crop>(&format!("{{\"centre\":{share}}}")).is_err());
        }
        for crop in [Crop::Largest, Crop::centre(0.875).unwrap(), Crop::Squeezed] {
            assert_eq!(serde_json::from_str::<Crop>(&serde_json::to_string(&crop).unwrap()).unwrap(), crop);
        }
    }
}
