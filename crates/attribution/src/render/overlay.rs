//! Colours blended over a picture.

use image::Rgb;

use super::Palette;

/// The opacity of the strongest value; the picture's shapes remain visible under it.
pub const OPACITY: f32 = 0.8;

/// A pixel of the picture under the colour of a value m in [−1, 1]: (1 − α|m|) · pixel + α|m| · colour(m), with α the
/// opacity. So the picture is unchanged where the map is zero, instead of tinted. NaN is drawn in grey.
#[must_use]
pub fn overlay(pixel: Rgb<u8>, palette: Palette, value: f32, opacity: f32) -> Rgb<u8> {
    let weight = if value.is_nan() { 1.0 } else { value.abs().min(1.0) };
    blend(pixel, palette.color(value), opacity * weight)
}

/// (1 − t) · under + t · over, for t in `[0, 1]`.
pub(super) fn blend(Rgb(under): Rgb<u8>, Rgb(over): Rgb<u8>, t: f32) -> Rgb<u8> {
    let channel = |i: usize| f32::from(under[i]) + t * (f32::from(over[i]) - f32::from(under[i]));
    Rgb([0, 1, 2].map(|i| channel(i).round() as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXEL: Rgb<u8> = Rgb([40, 60, 99]);

    #[test]
    fn nothing_stays_and_the_strongest_is_covered() {
        for palette in [Palette::Strength, Palette::Signed] {
            assert_eq!(overlay(PIXEL, palette, 0.0, 1.0), PIXEL);
            assert_eq!(overlay(PIXEL, palette, 1.0, 0.0), PIXEL);
            assert_eq!(overlay(PIXEL, palette, 1.0, 1.0), palette.color(1.0));
        }
        assert_eq!(overlay(PIXEL, Palette::Signed, -7.0, 1.0), Palette::Signed.color(-1.0));
    }

    #[test]
    fn opacity_is_weighted_by_strength() {
        let Rgb(colour) = Palette::Strength.color(0.5);
        // A weight of 0.8 · ½ leaves 60 % of black.
        let expected = colour.map(|v| (0.4 * f32::from(v)).round() as u8);
        assert_eq!(overlay(Rgb([0; 3]), Palette::Strength, 0.5, 0.8), Rgb(expected));
    }

    #[test]
    fn what_is_no_number_is_grey() {
        assert_eq!(overlay(PIXEL, Palette::Strength, f32::NAN, 1.0), Rgb([128; 3]));
    }
}
