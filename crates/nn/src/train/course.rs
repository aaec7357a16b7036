//! Progress and results of a training.

use serde::{Deserialize, Serialize};

use super::evaluation::Scores;

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
    /// How many of them the model classified correctly before the step.
    pub right: usize,
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
    /// Share of the epoch's images that the model classified correctly, each before the step that it was part of.
    pub accuracy: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Scores on the validation images, if there are any.
    pub validation: Option<Scores>,
}

impl Epoch {
    /// Whether the accuracy is higher than another epoch's, or as high and the loss lower. The scores are those of the
    /// validation, if there is one.
    fn beats(&self, other: &Self) -> bool {
        let scores = |epoch: &Self| epoch.validation.map_or((epoch.accuracy, epoch.loss), |v| (v.accuracy, v.loss));
        let ((accuracy, loss), (other_accuracy, other_loss)) = (scores(self), scores(other));
        accuracy > other_accuracy || accuracy == other_accuracy && loss < other_loss
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
    /// The epoch with the highest accuracy (of equal ones, the lowest loss) in the validation, or on the training images if
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
