//! The score by which epochs are compared.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::model::Task;

/// The score that fits a task: the larger, the better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Share of the images, labels or pixels that are classified correctly.
    Accuracy(f64),
    /// Mean [area under the ROC curve](super::auroc) of the labels; 1/2 is chance.
    Auroc(f64),
    /// Mean [coefficient of determination](super::r_squared) of the values; 0 is as good as their mean.
    RSquared(f64),
    /// Mean [intersection over union](super::Confusion::mean_iou) of the classes of a map.
    MeanIou(f64),
}

impl Score {
    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::Accuracy(value) | Self::Auroc(value) | Self::RSquared(value) | Self::MeanIou(value) => value,
        }
    }

    /// What it is called within a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy(_) => "accuracy",
            Self::Auroc(_) => "AUROC",
            Self::RSquared(_) => "R²",
            Self::MeanIou(_) => "mIoU",
        }
    }

    /// The score of training steps on these images. It is a mean over the images, so that those of steps can be summed.
    pub(super) fn of_steps(images: &dyn Dataset) -> fn(f64) -> Self {
        if images.task() == Task::Values { Self::RSquared } else { Self::Accuracy }
    }
}

/// Its name and its number.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(4);
        write!(f, "{} {:.digits$}", self.name(), self.value())
    }
}
