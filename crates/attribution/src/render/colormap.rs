//! From numbers to colours.

use image::Rgb;

/// Drawn where a value is not a number: a grey that no map of colours contains.
const NOT_A_NUMBER: Rgb<u8> = Rgb([128, 128, 128]);

/// Colours for strengths from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colormap {
    /// Dark blue over red to bright yellow; lightness rises evenly, so equal steps look equal, in grey and to the
    /// colour-blind too (van der Walt and Smith, Matplotlib 2.0).
    #[default]
    Inferno,
    /// Violet over green to yellow, of the same family as inferno; never black.
    Viridis,
    /// Blue, cyan, yellow, red, as most of the literature prints it. Its lightness rises and falls, which draws edges
    /// where there are none: for comparison only.
    Jet,
}

impl Colormap {
    /// The colour of a strength; what lies outside `[0, 1]` is taken as the nearer end.
    #[must_use]
    pub fn color(self, strength: f32) -> Rgb<u8> {
        match self {
            Colormap::Inferno => sample(colorous::INFERNO, strength),
            Colormap::Viridis => sample(colorous::VIRIDIS, strength),
            Colormap::Jet => jet(strength),
        }
    }
}

/// The colour of a signed value: red above 0, nearly white at 0, blue below; what lies outside `[−1, 1]` is taken as the
/// nearer end.
///
/// ColorBrewer's RdBu, which the colour-blind can tell apart.
#[must_use]
pub fn signed_color(value: f32) -> Rgb<u8> {
    sample(colorous::RED_BLUE, 0.5 - 0.5 * value)
}

fn sample(gradient: colorous::Gradient, position: f32) -> Rgb<u8> {
    if position.is_nan() { NOT_A_NUMBER } else { Rgb(gradient.eval_continuous(position.into()).into_array()) }
}

/// Three trapezoids, each of height 1 and of width ¾ at its foot, centred on ¾, ½ and ¼ (MATLAB's `jet`).
fn jet(strength: f32) -> Rgb<u8> {
    if strength.is_nan() {
        return NOT_A_NUMBER;
    }
    let position = 4.0 * strength.clamp(0.0, 1.0);
    Rgb([3.0, 2.0, 1.0].map(|centre| (255.0 * (1.5 - (position - centre).abs()).clamp(0.0, 1.0)).round() as u8))
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
    fn endpoints_are_the_published_ones() {
        assert_eq!([0.0, 1.0].map(|t| Colormap::Inferno.color(t).0), [[0, 0, 4], [252, 255, 164]]);
        assert_eq!([0.0, 1.0].map(|t| Colormap::Viridis.color(t).0), [[68, 1, 84], [253, 231, 37]]);
        let jet = [0.0, 0.125, 0.375, 0.5, 0.625, 0.875, 1.0].map(|t| Colormap::Jet.color(t).0);
        let [low, blue, cyan, green, yellow, red, high] = jet;
        assert_eq!([blue, cyan, yellow, red], [[0, 0, 255], [0, 255, 255], [255, 255, 0], [255, 0, 0]]);
        assert_eq!([low, green, high], [[0, 0, 128], [128, 255, 128], [128, 0, 0]]);
    }

    #[test]
    fn lightness_rises_evenly_and_that_of_jet_does_not() {
        let rises = |map: Colormap| {
            let steps: Vec<f64> = (0..=64).map(|i| luminance(map.color(i as f32 / 64.0))).collect();
            steps.windows(2).all(|pair| pair[0] < pair[1])
        };
        assert!(rises(Colormap::Inferno) && rises(Colormap::Viridis));
        assert!(!rises(Colormap::Jet));
    }

    #[test]
    fn zero_is_neutral_and_the_signs_are_equally_strong() {
        let Rgb(zero) = signed_color(0.0);
        assert!(zero.iter().max().unwrap() - zero.iter().min().unwrap() <= 6, "{zero:?}");
        assert!(zero.iter().all(|&v| v > 235), "{zero:?}");
        for i in 1..=10 {
            let (plus, minus) = (signed_color(i as f32 / 10.0), signed_color(-i as f32 / 10.0));
            assert!(plus[0] > plus[2] && minus[2] > minus[0]);
            assert!((luminance(plus) - luminance(minus)).abs() < 0.12);
        }
    }

    #[test]
    fn values_beyond_the_ends_and_those_that_are_no_number() {
        for map in [Colormap::Inferno, Colormap::Viridis, Colormap::Jet] {
            assert_eq!(map.color(f32::INFINITY), map.color(1.0));
            assert_eq!(map.color(-3.0), map.color(0.0));
            assert_eq!(map.color(f32::NAN), NOT_A_NUMBER);
        }
        assert_eq!(signed_color(7.0), signed_color(1.0));
        assert_eq!(signed_color(f32::NEG_INFINITY), signed_color(-1.0));
        assert_eq!(signed_color(f32::NAN), NOT_A_NUMBER);
    }
}
