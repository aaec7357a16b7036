//! Progress and results of a training.

use serde::{Deserialize, Serialize};

use super::evaluation::Scores;
use super::score::Score;

/// The progress of a training after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Number of steps so far.
    pub step: usize,
    /// Number of steps of the whole training.
    pub steps: usize,
    /// Number of images in this step.
    pub images: usize,
    /// Mean score of this step's images before the step: accuracy of classes, labels or pixels, or R² of values.
    pub score: Score,
    /// Mean loss of this step's images before the step.
    pub loss: f64,
    /// [Norm](crate::optim::global_norm) of all gradients before clipping.
    pub gradient_norm: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
}

/// The results of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Number of steps since the beginning of the training.
    pub step: usize,
    /// Mean loss of the epoch's images, each computed before the step that it was part of.
    pub loss: f64,
    /// Mean score of the epoch's images, each computed before the step that it was part of: accuracy of classes, labels or
    /// pixels, or R² of values.
    #[serde(flatten)]
    pub score: Score,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Scores on the validation images, if there are any.
    pub validation: Option<Scores>,
}

impl Epoch {
    /// Whether the score is higher than another epoch's, or as high and the loss lower. The scores are those of the
    /// validation, if there is one.
    fn beats(&self, other: &Self) -> bool {
        let scores = |epoch: &Self| {
            let Scores { score, loss } = epoch.validation.unwrap_or(Scores { score: epoch.score, loss: epoch.loss });
            (score.value(), loss)
        };
        let ((score, loss), (other_score, other_loss)) = (scores(self), scores(other));
        score > other_score || score == other_score && loss < other_loss
    }
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are finished.
    Finished,
    /// The validation hasn't improved for [`patience`](super::Training::patience) epochs.
    Patience,
    /// A callback stopped it.
    Stopped,
}

/// The results of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Why it ended.
    pub ended: Ended,
    /// Number of steps taken.
    pub step: usize,
    /// Number of steps of all epochs.
    pub steps: usize,
    /// The results of each finished epoch.
    pub history: Vec<Epoch>,
}

impl Trained {
    /// The epoch with the highest score (of equal ones, the lowest loss) in the validation, or on the training images if
    /// there was no validation. `None` if no epoch was finished.
    #[must_use]
    pub fn best(&self) -> Option<&Epoch> {
        best(&self.history).map(|index| &self.history[index])
    }
}

/// The index of the best epoch; of equal ones, the first.
pub(super) fn best(history: &[Epoch]) -> Option<usize> {
    (0..history.len()).reduce(|best, next| if history[next].beats(&history[best]) { next } else { best })
}
