//! The result for a picture, as JSON.

use std::path::PathBuf;

use attribution::{Prediction, Says};
use serde::{Deserialize, Serialize};

use super::boxes::Boxed;
use crate::program::files::record::Explained;

/// The result for a picture, as JSON.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) picture: PathBuf,
    pub(super) top: Vec<Likely>,
    pub(super) explanations: Vec<Explained>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) boxes: Vec<Boxed>,
    pub(super) sheet: PathBuf,
    pub(super) record: PathBuf,
}

/// The network's answer for a class, label or value, as JSON.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Likely {
    class: usize,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
}

impl From<Prediction> for Likely {
    fn from(said: Prediction) -> Self {
        let Prediction { class, name, value: number, says } = said;
        let likely = Self { class, name, probability: None, value: None, unit: None, share: None };
        match says {
            Says::Probability => Self { probability: Some(number), ..likely },
            Says::Value(unit) | Says::Mean(unit) => Self { value: Some(number), unit, ..likely },
            Says::Share => Self { share: Some(number), ..likely },
        }
    }
}
