//! The course of a training: its steps, its epochs, its end.

use serde::{Deserialize, Serialize};

use super::evaluation::Scores;

/// Where a training stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Steps made.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Images in this step.
    pub images: usize,
    /// Of these, those whose likeliest class was theirs, before the step.
    pub right: usize,
    /// Loss of this step's images, before the step.
    pub loss: f64,
    /// Norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
}

/// What came of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Steps made since the beginning.
    pub step: usize,
    /// Mean loss of its images, each before the step that it was part of.
    pub loss: f64,
    /// Share of its images whose likeliest class was theirs, likewise.
    pub accuracy: f64,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// How the model did on the validation images, if there are any.
    pub validation: Option<Scores>,
}

impl Epoch {
    /// Whether it is better than another: by accuracy, then by loss; of the validation, if there is one.
    fn beats(&self, other: &Self) -> bool {
        let scores = |epoch: &Self| epoch.validation.map_or((epoch.accuracy, epoch.loss), |v| (v.accuracy, v.loss));
        let ((accuracy, loss), (other_accuracy, other_loss)) = (scores(self), scores(other));
        accuracy > other_accuracy || accuracy == other_accuracy && loss < other_loss
    }
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// The validation has not become better for as many epochs as the patience allows.
    Patience,
    /// A callback stopped it.
    Stopped,
}

/// A training that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Why.
    pub ended: Ended,
    /// Steps made.
    pub step: usize,
    /// Steps that all epochs have.
    pub steps: usize,
    /// What came of each epoch.
    pub history: Vec<Epoch>,
}

impl Trained {
    /// The best epoch: by validation if there was one, otherwise by the images themselves.
    #[must_use]
    pub fn best(&self) -> Option<&Epoch> {
        best(&self.history).map(|place| &self.history[place])
    }
}

/// The place of the best epoch; of equal ones, the first.
pub(super) fn best(history: &[Epoch]) -> Option<usize> {
    (0..history.len()).reduce(|best, next| if history[next].beats(&history[best]) { next } else { best })
}
