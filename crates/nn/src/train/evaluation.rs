//! Evaluation of a model on a set of images.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tensor::{Keep, Tape, Tensor};

use super::confusion::Confusion;
use super::error::TrainError;
use super::features::Features;
use super::fitting_loss::fitting_loss;
use super::label_scores::{LabelScores, mean};
use super::ranks::{Alone, Exchange};
use super::score::Score;
use super::standard::Standard;
use super::tally::Tally;
use super::value_scores::{ValueScores, mean_absolute_error, r_squared};
use crate::data::{AHEAD, Batch, Dataset, Loader, Normalization, Targets};
use crate::layers::Mode;
use crate::losses::mean_squared_error;
use crate::model::{Model, Task};

/// Batch size of an evaluation.
const EVALUATION_BATCH: usize = 100;
/// The largest k of the top-k accuracies in [`Evaluation::top`].
const LARGEST_K: usize = 5;

/// The score that fits the task, and the loss, on a set of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The score that fits.
    #[serde(flatten)]
    pub score: Score,
    /// Mean loss.
    pub loss: f64,
}

/// The results of [`evaluate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean loss: cross-entropy of classes, binary cross-entropy of labels, squared error of values.
    pub loss: f64,
    /// What fits the task.
    pub results: Results,
}

/// The results that fit a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Results {
    /// Of images of one class each.
    Classes {
        /// `top[k − 1]` is the top-k accuracy, the share of the images whose class is among the k likeliest, for k up to 5.
        top: Vec<f64>,
        /// The confusion matrix.
        confusion: Confusion,
    },
    /// Of each label.
    Labels(Vec<LabelScores>),
    /// Of each value.
    Values(Vec<ValueScores>),
    /// Of maps: the confusion matrix of their pixels.
    Map(Confusion),
}

impl Evaluation {
    /// The score that fits the task: accuracy for classes, mean AUROC for labels (chance, 1/2, if no label is both present and
    /// absent), mean R² for values, and mIoU for maps.
    #[must_use]
    pub fn score(&self) -> Score {
        match &self.results {
            Results::Classes { top, .. } => Score::Accuracy(top[0]),
            Results::Labels(labels) => Score::Auroc(mean(labels.iter().map(|label| label.auroc)).unwrap_or(0.5)),
            Results::Values(values) => {
                Score::RSquared(values.iter().map(|value| value.r_squared).sum::<f64>() / values.len() as f64)
            }
            Results::Map(confusion) => Score::MeanIou(confusion.mean_iou().unwrap_or(0.0)),
        }
    }

    /// The confusion matrix of images of classes, or of the pixels of maps.
    #[must_use]
    pub fn confusion(&self) -> Option<&Confusion> {
        match &self.results {
            Results::Classes { confusion, .. } | Results::Map(confusion) => Some(confusion),
            Results::Labels(_) | Results::Values(_) => None,
        }
    }

    /// The score and the loss.
    #[must_use]
    pub fn scores(&self) -> Scores {
        Scores { score: self.score(), loss: self.loss }
    }
}

/// The model's normalization, after checking that the images fit the model and that there is at least one.
pub(super) fn normalization_for(model: &Model<f32>, images: &dyn Dataset) -> Result<Normalization, TrainError> {
    let (expected, found) = (model.input_shape(), images.image_shape());
    if found != expected {
        return Err(TrainError::Images { expected, found });
    }
    let (expected, found) = ((model.task(), model.is_map()), (images.task(), images.is_map()));
    if found != expected {
        return Err(TrainError::Task { expected: told(expected), found: told(found) });
    }
    if let (true, &[h, w, _]) = (model.is_map(), model.output_shape()) {
        let [height, width, _] = images.image_shape();
        if [h, w] != [height, width] {
            return Err(TrainError::MapSize { expected: [h, w], found: [height, width] });
        }
    }
    let (expected, found) = (model.scores(), images.class_names().len());
    // A model may know classes that these images don't have.
    if found > expected || model.task() != Task::Classes && found != expected {
        return Err(TrainError::Classes { expected, found });
    }
    if images.is_empty() {
        return Err(TrainError::Nothing);
    }
    model.info().normalization.clone().ok_or(TrainError::NoNormalization)
}

/// A task in words.
fn told((task, is_map): (Task, bool)) -> String {
    if is_map { format!("{task} of pixels") } else { task.to_string() }
}

/// The rank of class `label`, from 0: the number of classes with a higher score, or with the same score and a lower index.
pub(super) fn rank(scores: &[f32], label: usize) -> usize {
    let above = |(class, score): (usize, &f32)| match score.total_cmp(&scores[label]) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => class < label,
        std::cmp::Ordering::Less => false,
    };
    scores.iter().enumerate().filter(|&pair| above(pair)).count()
}

/// The class with the highest score; of equal ones, the first.
pub(super) fn likeliest(scores: &[f32]) -> usize {
    let larger = |best: usize, next: usize| if scores[next].total_cmp(&scores[best]).is_gt() { next } else { best };
    (0..scores.len()).reduce(larger).expect("a model has classes")
}

/// The sum over the images of how right scores `[N, …, K]` are, from 0 to 1 for an image: the share of its labels or pixels
/// that are classified correctly, or 1 − the mean square of its values' errors, which are in standard deviations.
pub(super) fn rightness(scores: &Tensor<f32>, targets: &Targets) -> f64 {
    let width = scores.shape()[scores.shape().len() - 1];
    let count = |rows: &[usize]| {
        let rows = scores.as_slice().chunks_exact(width).zip(rows);
        rows.filter(|&(scores, &label)| rank(scores, label) == 0).count() as f64
    };
    let pairs = |rows: &Tensor<f32>, of: fn(f32, f32) -> f64| {
        let pairs = scores.as_slice().iter().zip(rows.as_slice());
        pairs.map(|(&score, &truth)| of(score, truth)).sum::<f64>() / width as f64
    };
    match targets {
        Targets::Classes { labels, .. } => count(labels),
        Targets::Map(classes) => count(classes) * scores.shape()[0] as f64 / classes.len() as f64,
        Targets::Labels(labels) => pairs(labels, |score, truth| f64::from(u8::from((score >= 0.0) == (truth >= 0.5)))),
        Targets::Values(values) => pairs(values, |score, truth| 1.0 - f64::from(score - truth).powi(2)),
    }
}

/// Evaluates the model on a set of images.
///
/// # Errors
/// If the images don't fit the model, or one of them can't be read.
pub fn evaluate(model: &Model<f32>, images: &dyn Dataset) -> Result<Evaluation, TrainError> {
    evaluate_with(model, images, &Features::new(model, images.len(), 0), None, &Exchange::new(&Alone))
}

/// As [`evaluate`], with a cache of the trunk's outputs for these images, and shared with other ranks. The loss of values is in
/// units of their standard deviation, if it is known.
pub(super) fn evaluate_with(
    model: &Model<f32>,
    images: &dyn Dataset,
    features: &Features,
    standard: Option<&Standard>,
    exchange: &Exchange<'_>,
) -> Result<Evaluation, TrainError> {
    let normalization = normalization_for(model, images)?;
    let classes = model.scores();
    let new = || Tally::new((0..classes).map(|class| model.class_name(class)).collect(), LARGEST_K);
    let mut own = new();
    let cached = |index| features.has(index);
    let loader = Loader::new(images, &normalization, EVALUATION_BATCH).without(&cached);
    let batch = |batch: usize| batch * EVALUATION_BATCH..((batch + 1) * EVALUATION_BATCH).min(images.len());
    let places: Vec<Range<usize>> = exchange.own(loader.batches()).map(batch).collect();
    let order = loader.order(0);
    loader.parts(0, places.clone(), AHEAD, |batches| {
        for (batch, places) in batches.zip(places) {
            let (Batch { images, targets }, indices) = (batch?, &order[places]);
            let (tape, values) = (Tape::keeping(Keep::Nothing), features.of(model, indices, &images)?);
            let forward = model.forward_from(&tape, features.trunk(), values, Mode::Evaluation);
            let logits = forward.logits.value();
            let mean = match (&targets, standard) {
                (Targets::Values(values), Some(standard)) => {
                    let found = tape.leaf(standard.standardized(logits));
                    mean_squared_error(&found, &standard.standardized(values))
                }
                _ => fitting_loss(&forward.logits, &targets, 0.0, None),
            };
            own.count(logits, &targets, f64::from(mean.value().item()) * indices.len() as f64);
        }
        Ok::<(), TrainError>(())
    })?;
    let tally = match exchange.is_alone() {
        true => own,
        false => {
            let mut all = new();
            exchange.gather(&own.to_bytes())?.iter().for_each(|part| all.append(part));
            all
        }
    };
    let Tally { losses, within, confusion, scores, truths } = tally;
    let loss = losses.iter().sum::<f64>();
    let share = |count: usize| count as f64 / images.len() as f64;
    let column = |of: &[f32], k: usize| of.iter().skip(k).step_by(classes).copied().collect::<Vec<f32>>();
    let columns = (0..classes).map(|k| (model.class_name(k), column(&scores, k), column(&truths, k)));
    let results = match (images.task(), images.is_map()) {
        (_, true) => Results::Map(confusion),
        (Task::Labels, _) => {
            let present = |truth: Vec<f32>| truth.into_iter().map(|truth| truth >= 0.5).collect::<Vec<bool>>();
            let labels = columns.map(|(name, logits, truth)| LabelScores::new(name, &logits, &present(truth)));
            Results::Labels(labels.collect())
        }
        (Task::Values, _) => {
            let units = &model.info().units;
            let values = columns.zip(0..).map(|((name, found, truth), k): (_, usize)| ValueScores {
                name,
                unit: units.get(k).cloned().unwrap_or_default(),
                mean_absolute_error: mean_absolute_error(&found, &truth),
                r_squared: r_squared(&found, &truth),
            });
            Results::Values(values.collect())
        }
        _ => Results::Classes { top: within.into_iter().map(share).collect(), confusion },
    };
    Ok(Evaluation { loss: loss / images.len() as f64, results })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_higher_scores_and_earlier_ties() {
        let scores = [1.0, 3.0, 1.0, -2.0];
        assert_eq!([0, 1, 2, 3].map(|class| rank(&scores, class)), [1, 0, 2, 3]);
    }
}
