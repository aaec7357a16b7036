//! What of a picture a network sees.

use serde::{Deserialize, Serialize};

use super::DataError;

/// What of a picture is resized to become a network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The largest centred part with the input's proportions.
    #[default]
    Largest,
    /// The middle of that part.
    Centre(Share),
    /// All of it, whatever becomes of its proportions.
    Squeezed,
}

/// A share of a picture's height and width: more than 0, at most 1.
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
    /// The middle of the largest centred part: 0.875 is the usual "resize to 256, crop to 224".
    ///
    /// # Errors
    /// Where the share of its height and width isn't more than 0 and at most 1.
    pub fn centre(share: f64) -> Result<Self, DataError> {
        Ok(Self::Centre(share.try_into()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_more_than_none_and_at_most_all() {
        for share in [0.0, -0.5, 1.01, f64::NAN] {
            assert!(Crop::centre(share).unwrap_err().to_string().contains("more than 0 and at most 1"));
            assert!(serde_json::from_str::<Crop>(&format!("{{\"centre\":{share}}}")).is_err());
        }
        for crop in [Crop::Largest, Crop::centre(0.875).unwrap(), Crop::Squeezed] {
            assert_eq!(serde_json::from_str::<Crop>(&serde_json::to_string(&crop).unwrap()).unwrap(), crop);
        }
    }
}
