//! From numbers to colours.

use image::Rgb;

/// The colour of NaN: a grey that no palette contains.
const NOT_A_NUMBER: Rgb<u8> = Rgb([128, 128, 128]);

/// Colours for the values of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Palette {
    /// Inferno, for values in [0, 1]: from dark blue over red to bright yellow. The lightness increases evenly, so
    /// equal steps look equal, also in greyscale and to colour-blind people (van der Walt and Smith, Matplotlib 2.0).
    Strength,
    /// ColorBrewer's RdBu, for values in [−1, 1]: red above 0, nearly white at 0, and blue below, which colour-blind
    /// people can distinguish.
    Signed,
}

impl Palette {
    /// The colour of a value. Values beyond an end get the colour of that end.
    #[must_use]
    pub fn color(self, value: f32) -> Rgb<u8> {
        let (gradient, position) = match self {
            Self::Strength => (colorous::INFERNO, value),
            Self::Signed => (colorous::RED_BLUE, 0.5 - 0.5 * value),
        };
        if value.is_nan() { NOT_A_NUMBER } else { Rgb(gradient.eval_continuous(position.into()).into_array()) }
    }

    /// The colour at a position in [0, 1], from the lower end to the upper end.
    #[must_use]
    pub fn at(self, position: f32) -> Rgb<u8> {
        match self {
            Self::Strength => self.color(position),
            Self::Signed => self.color(2.0 * position - 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of sRGB (IEC 61966-2-1).
    fn luminance(Rgb(rgb): Rgb<u8>) -> f64 {
        let linear = rgb.map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn strengths_end_as_published_and_their_lightness_rises_evenly() {
        assert_eq!([0.0, 1.0].map(|t| Palette::Strength.color(t).0), [[0, 0, 4], [252, 255, 164]]);
        let steps: Vec<f64> = (0..=64).map(|i| luminance(Palette::Strength.color(i as f32 / 64.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn zero_is_neutral_and_the_signs_are_equally_strong() {
        let Rgb(zero) = Palette::Signed.color(0.0);
        assert!(zero.iter().max().unwrap() - zero.iter().min().unwrap() <= 6, "{zero:?}");
        assert!(zero.iter().all(|&v| v > 235), "{zero:?}");
        for i in 1..=10 {
            let [plus, minus] = [1.0, -1.0].map(|sign| Palette::Signed.color(sign * i as f32 / 10.0));
            assert!(plus[0] > plus[2] && minus[2] > minus[0]);
            assert!((luminance(plus) - luminance(minus)).abs() < 0.12);
        }
    }

    #[test]
    fn values_beyond_the_ends_and_those_that_are_no_number() {
        for palette in [Palette::Strength, Palette::Signed] {
            assert_eq!(palette.color(f32::INFINITY), palette.at(1.0));
            assert_eq!(palette.color(-3.0), palette.at(0.0));
            assert_eq!(palette.color(f32::NAN), NOT_A_NUMBER);
        }
    }
}
