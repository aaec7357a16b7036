//! Evaluation of a model on a set of images.

use serde::{Deserialize, Serialize};
use tensor::{Keep, Tape};

use super::confusion::Confusion;
use super::error::TrainError;
use super::features::Features;
use crate::data::{Batch, Dataset, Loader, Normalization};
use crate::layers::Mode;
use crate::losses::cross_entropy;
use crate::model::Model;

/// Batch size of an evaluation.
const EVALUATION_BATCH: usize = 100;
/// The largest k of the top-k accuracies in [`Evaluation::top`].
const LARGEST_K: usize = 5;

/// Accuracy and loss on a set of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Share of the images that are classified correctly.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
}

/// The results of [`evaluate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Share of the images that are classified correctly.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// `top[k − 1]` is the top-k accuracy, the share of the images whose class is among the k likeliest, for k up to 5.
    pub top: Vec<f64>,
    /// The confusion matrix.
    pub confusion: Confusion,
}

impl Evaluation {
    /// The accuracy and the loss.
    #[must_use]
    pub fn scores(&self) -> Scores {
        Scores { accuracy: self.accuracy, loss: self.loss }
    }
}

/// The model's normalization, after checking that the images fit the model and that there is at least one.
pub(super) fn normalization_for(model: &Model<f32>, images: &dyn Dataset) -> Result<Normalization, TrainError> {
    let (expected, found) = (model.input_shape(), images.image_shape());
    if found != expected {
        return Err(TrainError::Images { expected, found });
    }
    let (expected, found) = (model.scores(), images.class_names().len());
    if found > expected {
        return Err(TrainError::Classes { expected, found });
    }
    if images.is_empty() {
        return Err(TrainError::Nothing);
    }
    model.info().normalization.clone().ok_or(TrainError::NoNormalization)
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

/// Evaluates the model on a set of images.
///
/// # Errors
/// If the images don't fit the model, or one of them can't be read.
pub fn evaluate(model: &Model<f32>, images: &dyn Dataset) -> Result<Evaluation, TrainError> {
    evaluate_with(model, images, &Features::new(model, images.len(), 0))
}

/// As [`evaluate`], with a cache of the trunk's outputs for these images.
pub(super) fn evaluate_with(
    model: &Model<f32>,
    images: &dyn Dataset,
    features: &Features,
) -> Result<Evaluation, TrainError> {
    let normalization = normalization_for(model, images)?;
    let classes = model.scores();
    let mut confusion = Confusion::new((0..classes).map(|class| model.class_name(class)).collect());
    let (mut within, mut loss) = (vec![0; classes.min(LARGEST_K)], 0.0);
    let cached = |index| features.has(index);
    let loader = Loader::new(images, &normalization, EVALUATION_BATCH).without(&cached);
    let order = loader.order(0);
    loader.epoch(0, 0, |batches| {
        for (batch, indices) in batches.zip(order.chunks(EVALUATION_BATCH)) {
            let Batch { images, labels, .. } = batch?;
            let (tape, values) = (Tape::keeping(Keep::Nothing), features.of(model, indices, &images)?);
            let forward = model.forward_from(&tape, features.trunk(), values, Mode::Evaluation);
            let logits = forward.logits.value();
            for (scores, &label) in logits.as_slice().chunks_exact(classes).zip(&labels) {
                let rank = rank(scores, label);
                within.iter_mut().skip(rank).for_each(|count| *count += 1);
                let larger =
                    |best: usize, next: usize| if scores[next].total_cmp(&scores[best]).is_gt() { next } else { best };
                confusion.add(label, (0..classes).reduce(larger).expect("a model has classes"));
            }
            let mean = cross_entropy(&forward.logits, &labels, 0.0).value().item();
            loss += f64::from(mean) * labels.len() as f64;
        }
        Ok::<(), TrainError>(())
    })?;
    let share = |count: usize| count as f64 / images.len() as f64;
    let top: Vec<f64> = within.into_iter().map(share).collect();
    Ok(Evaluation { accuracy: top[0], loss: loss / images.len() as f64, top, confusion })
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
