//! How well a model does.

use serde::{Deserialize, Serialize};
use tensor::{Keep, Tape};

use super::confusion::Confusion;
use super::error::TrainError;
use super::features::Features;
use crate::data::{Batch, Dataset, Loader, Normalization};
use crate::model::{Mode, Model};
use crate::ops;

/// Images computed at once when nothing is trained.
const EVALUATION_BATCH: usize = 100;
/// The most classes among which the true one may be, in [`Evaluation::top`].
const MOST_TOP: usize = 5;

/// How well a model does on a set, in two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Share of images whose likeliest class is theirs.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
}

/// How well a model does on a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Share of images whose likeliest class is theirs.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// `top[k − 1]`: share of images whose class is among the k likeliest, for k up to 5.
    pub top: Vec<f64>,
    /// Which classes are taken for which.
    pub confusion: Confusion,
}

impl Evaluation {
    /// Accuracy and loss alone.
    #[must_use]
    pub fn scores(&self) -> Scores {
        Scores { accuracy: self.accuracy, loss: self.loss }
    }
}

/// How these images become numbers for the model, if they fit it and there are any.
pub(super) fn normalization_for(model: &Model<f32>, images: &dyn Dataset) -> Result<Normalization, TrainError> {
    let (expected, found) = (model.input_shape(), images.image_shape());
    if found != expected {
        return Err(TrainError::Images { expected, found });
    }
    let (expected, found) = (model.classes(), images.class_names().len());
    if found > expected {
        return Err(TrainError::Classes { expected, found });
    }
    if images.is_empty() {
        return Err(TrainError::Nothing);
    }
    model.info().normalization.clone().ok_or(TrainError::NoNormalization)
}

/// Classes with a higher score than class `label`, and those of the same score before it.
pub(super) fn rank(scores: &[f32], label: usize) -> usize {
    let above = |(class, score): (usize, &f32)| match score.total_cmp(&scores[label]) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => class < label,
        std::cmp::Ordering::Less => false,
    };
    scores.iter().enumerate().filter(|&pair| above(pair)).count()
}

/// How well the model does on a set.
///
/// # Errors
/// Where the images don't fit the model, or one of them can't be read.
pub fn evaluate(model: &Model<f32>, images: &dyn Dataset) -> Result<Evaluation, TrainError> {
    evaluate_with(model, images, &Features::new(model, images.len(), 0))
}

/// As [`evaluate`], with what the trunk is known to give for these images.
pub(super) fn evaluate_with(
    model: &Model<f32>,
    images: &dyn Dataset,
    features: &Features,
) -> Result<Evaluation, TrainError> {
    let normalization = normalization_for(model, images)?;
    let classes = model.classes();
    let mut confusion = Confusion::new((0..classes).map(|class| model.class_name(class)).collect());
    let (mut within, mut loss) = (vec![0; classes.min(MOST_TOP)], 0.0);
    let known = |place| features.has(place);
    let loader = Loader::new(images, &normalization, EVALUATION_BATCH).without(&known);
    let places = loader.order(0);
    loader.epoch(0, 0, |batches| {
        for (batch, places) in batches.zip(places.chunks(EVALUATION_BATCH)) {
            let Batch { images, labels, .. } = batch?;
            let (tape, values) = (Tape::keeping(Keep::Nothing), features.of(model, places, &images)?);
            let forward = model.forward_from(&tape, features.trunk(), values, Mode::Evaluation);
            let logits = forward.logits.value();
            for (scores, &label) in logits.as_slice().chunks_exact(classes).zip(&labels) {
                let rank = rank(scores, label);
                within.iter_mut().skip(rank).for_each(|count| *count += 1);
                let larger =
                    |best: usize, next: usize| if scores[next].total_cmp(&scores[best]).is_gt() { next } else { best };
                confusion.add(label, (0..classes).reduce(larger).expect("a model has classes"));
            }
            let mean = ops::cross_entropy(&forward.logits, &labels, 0.0).value().item();
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
    fn ranks_count_what_is_above_and_ties_go_to_the_first() {
        let scores = [1.0, 3.0, 1.0, -2.0];
        assert_eq!([0, 1, 2, 3].map(|class| rank(&scores, class)), [1, 0, 2, 3]);
    }
}
