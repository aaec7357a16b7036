//! The meaning of a map's values.

use nn::Real;
use serde::Serialize;

use crate::render::Palette;

/// The meaning of a map's values. The quantity determines how channels are reduced to one value, how strong a cell
/// counts in a measure, the colours of the map, and the labels of their legend. So the drawing shows exactly what is
/// measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Evidence for the target, up to a factor. Only positive values count.
    Evidence,
    /// Shares of the score, or of a difference of scores, which add up. Positive shares are evidence for the target,
    /// negative ones against it. The channels of a pixel are summed; only positive sums count.
    Contribution,
    /// How the score reacts to a change of the value. If it is positive, a brighter pixel raises the score; if it is
    /// negative, a darker pixel does. Such a value is evidence neither for nor against the target. The channel with the
    /// largest absolute value represents the pixel (Simonyan, Vedaldi and Zisserman, *Deep Inside Convolutional
    /// Networks*, 2014, §3.1).
    Sensitivity,
    /// A strength without a sign. The channel with the largest value represents the pixel.
    Magnitude,
}

impl Quantity {
    /// The signed value of a cell, reduced from its channels.
    #[must_use]
    pub fn reduce<T: Real>(self, channels: impl IntoIterator<Item = T>) -> T {
        let channels = channels.into_iter();
        match self {
            Self::Evidence | Self::Contribution => channels.sum(),
            Self::Sensitivity | Self::Magnitude => {
                channels.fold(T::zero(), |most, v| if v.abs() > most.abs() || v.is_nan() { v } else { most })
            }
        }
    }

    /// The strength of a cell with this value, at least 0; 0 if the value isn't finite.
    #[must_use]
    pub fn strength<T: Real>(self, value: T) -> T {
        match self {
            _ if !value.is_finite() => T::zero(),
            Self::Evidence | Self::Contribution => value.max(T::zero()),
            Self::Sensitivity | Self::Magnitude => value.abs(),
        }
    }

    /// Whether positive and negative values are drawn in different colours.
    #[must_use]
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Contribution | Self::Sensitivity)
    }

    /// The colours of such a map.
    #[must_use]
    pub fn palette(self) -> Palette {
        if self.is_signed() { Palette::Signed } else { Palette::Strength }
    }

    /// The meanings of the two ends of the colours, the lower end first.
    #[must_use]
    pub fn ends(self) -> [&'static str; 2] {
        match self {
            Self::Evidence => ["no evidence", "strongest evidence"],
            Self::Contribution => ["against", "for"],
            Self::Sensitivity => ["darker would raise the score", "brighter would"],
            Self::Magnitude => ["nothing", "strongest"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Quantity; 4] = [Quantity::Evidence, Quantity::Contribution, Quantity::Sensitivity, Quantity::Magnitude];

    #[test]
    fn channels_are_summed_or_the_strongest_is_chosen() {
        let reduced = ALL.map(|quantity| quantity.reduce([1.0, -3.0, 0.5]));
        assert_eq!(reduced, [-1.5, -1.5, -3.0, -3.0]);
        assert!(ALL.iter().all(|quantity| quantity.reduce([1.0, f32::NAN]).is_nan()));
        assert!(ALL.iter().all(|quantity| quantity.reduce([0.0_f32; 0]) == 0.0));
    }

    #[test]
    fn strength_is_the_positive_part_or_the_magnitude() {
        assert_eq!(ALL.map(|quantity| quantity.strength(-2.0)), [0.0, 0.0, 2.0, 2.0]);
        assert!(ALL.iter().all(|quantity| quantity.strength(3.0) == 3.0));
        assert!(ALL.iter().all(|quantity| quantity.strength(f64::NAN) == 0.0));
    }

    #[test]
    fn signed_quantities_have_signed_colours() {
        assert!(ALL.iter().all(|quantity| quantity.is_signed() == (quantity.palette() == Palette::Signed)));
    }
}
