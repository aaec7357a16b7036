//! What a map shows, in words, so that no map is blank without a reason.

use std::fmt;

use super::Quantity;

/// What a map shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Some positions have larger values than others.
    Evidence {
        /// The largest value.
        max: f64,
    },
    /// No value is positive, so there is no evidence for the target here. The map of the negated target
    /// ([`Target::negated`](crate::Target::negated)) shows the evidence against it.
    NonPositive {
        /// The smallest value.
        min: f64,
    },
    /// The value is the same everywhere.
    Flat {
        /// The value.
        value: f64,
    },
    /// The target's gradient is zero here, because the units between this layer and the score are saturated.
    ZeroGradient,
    /// Some values are NaN or infinite.
    NonFinite {
        /// Where the first of them arose; `None` if the map's own arithmetic overflowed.
        origin: Option<Origin>,
    },
}

/// Where the first value that isn't finite arose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the image.
    Image,
    /// In the output of this layer, on the forward pass.
    Output(String),
    /// In the gradient of this layer's output, on the backward pass.
    Gradient(String),
    /// In the network's output for a variant of the image, such as a noisy copy or a point on the path from the
    /// baseline.
    Variant,
}

impl Verdict {
    /// Whether it is [`Evidence`](Self::Evidence).
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        matches!(self, Self::Evidence { .. })
    }

    /// The verdict on a map of these values.
    pub(crate) fn of(
        quantity: Quantity,
        values: impl Iterator<Item = f64>,
        zero_gradient: bool,
        origin: impl FnOnce() -> Option<Origin>,
    ) -> Self {
        let values = Values::of(values);
        match (quantity, values.verdict(zero_gradient, origin)) {
            (Quantity::Evidence, Self::Evidence { max }) if max <= 0.0 => Self::NonPositive { min: values.min },
            (_, verdict) => verdict,
        }
    }
}

/// What a verdict is based on.
struct Values {
    min: f64,
    max: f64,
    finite: bool,
}

impl Values {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let start = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, finite: true };
        values.fold(start, |found, v| Self {
            min: found.min.min(v),
            max: found.max.max(v),
            finite: found.finite && v.is_finite(),
        })
    }

    fn verdict(&self, zero_gradient: bool, origin: impl FnOnce() -> Option<Origin>) -> Verdict {
        if !self.finite {
            Verdict::NonFinite { origin: origin() }
        } else if zero_gradient {
            Verdict::ZeroGradient
        } else if self.min >= self.max {
            Verdict::Flat { value: self.max }
        } else {
            Verdict::Evidence { max: self.max }
        }
    }
}

/// Four significant digits: `36.93`, `0.002500`; with an exponent if there would be many zeros: `1.200e-7`.
fn short(value: f64) -> String {
    match value.abs().log10().floor() {
        _ if value == 0.0 => "0".into(),
        order if (-3.0..5.0).contains(&order) => format!("{value:.*}", (3.0 - order).max(0.0) as usize),
        _ => format!("{value:.3e}"),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence { max } => write!(f, "evidence, at most {}", short(*max)),
            Self::NonPositive { min } => write!(
                f,
                "no evidence for the target here: every value is zero or negative, down to {}; \
                 the negated target shows the evidence against it",
                short(*min)
            ),
            Self::Flat { value } => {
                write!(f, "flat: the value is {} everywhere", short(*value))
            }
            Self::ZeroGradient => f.write_str(
                "zero gradient: no small change here changes the score (the units in between are saturated)",
            ),
            Self::NonFinite { origin: Some(origin) } => {
                write!(f, "not finite: infinity or NaN first arose in {origin}")
            }
            Self::NonFinite { origin: None } => f.write_str("not finite: the map's own arithmetic overflowed"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.write_str("the image"),
            Self::Output(layer) => write!(f, "the output of layer `{layer}`"),
            Self::Gradient(layer) => write!(f, "the gradient at layer `{layer}`"),
            Self::Variant => f.write_str("a variant of the image that the method ran the network on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_map(values: &[f64], zero_gradient: bool) -> Verdict {
        let origin = || Some(Origin::Output("conv2".into()));
        Verdict::of(Quantity::Evidence, values.iter().copied(), zero_gradient, origin)
    }

    #[test]
    fn each_outcome_has_its_name_and_message() {
        let cases = [
            (on_map(&[-1.0, 2.0], false), Verdict::Evidence { max: 2.0 }, "evidence"),
            (on_map(&[-1.0, 0.0], false), Verdict::NonPositive { min: -1.0 }, "down to -1.000; the negated target"),
            (on_map(&[3.0, 3.0], false), Verdict::Flat { value: 3.0 }, "3.000 everywhere"),
            (on_map(&[-3.0, -3.0], false), Verdict::Flat { value: -3.0 }, "flat"),
            (on_map(&[0.0, 0.0], true), Verdict::ZeroGradient, "zero gradient"),
            (
                on_map(&[0.0, f64::NAN], true),
                Verdict::NonFinite { origin: Some(Origin::Output("conv2".into())) },
                "first arose in the output of layer `conv2`",
            ),
        ];
        for (verdict, expected, message) in cases {
            assert_eq!(verdict, expected);
            assert!(verdict.to_string().contains(message), "{verdict}");
        }
    }

    #[test]
    fn values_have_four_digits() {
        let cases = [
            (36.9312, "36.93"),
            (-0.0025, "-0.002500"),
            (12345.678, "12346"),
            (0.0, "0"),
            (1.2e-7, "1.200e-7"),
            (4e9, "4.000e9"),
        ];
        cases.into_iter().for_each(|(value, text)| assert_eq!(short(value), text));
    }

    #[test]
    fn negative_values_of_a_signed_map_are_evidence_too() {
        for quantity in [Quantity::Contribution, Quantity::Sensitivity] {
            assert!(Verdict::of(quantity, [-3.0, -1.0].into_iter(), false, || None).is_evidence());
        }
    }
}
