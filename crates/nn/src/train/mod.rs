//! Training: steps, epochs, evaluation.

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use tensor::{Exact, Keep, Tape, Tensor};
use thiserror::Error;

use crate::data::{Batch, DataError, Dataset, Loader, Normalization};
use crate::model::{Mode, Model, ModelError};
use crate::ops;
use crate::optim::{Optimizer, Schedule};
use crate::real::Real;
use crate::threads::on_pool;

/// Images computed at once when nothing is trained.
const EVALUATION_BATCH: usize = 100;

/// The settings of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Times that every image is seen.
    pub epochs: usize,
    /// Images in a step.
    pub batch_size: usize,
    /// Learning rate at the schedule's peak.
    pub learning_rate: f64,
    /// How the rate moves.
    pub schedule: Schedule,
    /// Share of each target that is spread over all classes.
    pub label_smoothing: f64,
    /// Seed of the images' order and of dropout.
    pub seed: u64,
}

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
    /// Mean cross-entropy of this step's images, before the step.
    pub loss: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
}

/// How well a model does on a set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Share of images whose likeliest class is theirs.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
}

/// A training that can't go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The images don't fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An image couldn't be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Images of another shape than the model takes.
    #[error("the images are {found:?} (height, width, channels), the model takes {expected:?}")]
    Images {
        /// The model's.
        expected: [usize; 3],
        /// The images'.
        found: [usize; 3],
    },
    /// More classes in the data than scores in the model.
    #[error("the images have {found} classes, the model {expected}")]
    Classes {
        /// The model's.
        expected: usize,
        /// The images'.
        found: usize,
    },
    /// The model doesn't say how images become numbers.
    #[error("the model has no normalization: give it one with `ModelInfo`")]
    NoNormalization,
    /// No images, or batches of none.
    #[error("there is nothing to train on")]
    Nothing,
    /// The loss left the numbers.
    #[error("the loss became {loss} at step {step}: try a smaller learning rate (now {learning_rate})")]
    NotFinite {
        /// The step.
        step: usize,
        /// NaN or infinite.
        loss: f64,
        /// The rate at that step.
        learning_rate: f64,
    },
}

/// One step: forward, backward, optimiser. Gives the mean cross-entropy of `images` `[N, H, W, C]` before the step.
///
/// # Errors
/// Where the images are of another shape than the model takes.
///
/// # Panics
/// Where there isn't one label, a class of the model, for each image.
pub fn train_step<T: Real>(
    model: &mut Model<T>,
    optimizer: &mut dyn Optimizer<T>,
    images: Tensor<T>,
    labels: &[usize],
    label_smoothing: f64,
    seed: u64,
) -> Result<T, ModelError> {
    on_pool(|| {
        let tape = Tape::keeping(Keep::Needed);
        let forward = model.forward(&tape, images, Mode::Training { seed })?;
        let loss = ops::cross_entropy(&forward.logits, labels, label_smoothing);
        let value = loss.value().item();
        let (places, wanted): (Vec<usize>, Vec<_>) =
            forward.trained(model).map(|(place, var)| (place, var.clone())).unzip();
        let mut found = tape.backward(&loss, &Exact, &wanted).expect("the exact rule refuses nothing");
        let gradients =
            places.into_iter().zip(&wanted).map(|(place, var)| (place, found.take(var).expect("asked for")));
        let gradients: Vec<_> = gradients.collect();
        let statistics = forward.into_statistics();
        // The tape shares the weights: without it they can be written to in place.
        drop((tape, loss, wanted, found));
        model.update_statistics(&statistics);
        optimizer.step(model, &gradients);
        Ok(value)
    })
}

/// Trains on what `data(epoch)` gives: the same images each time, or others. `watch` sees every step and can end the
/// training early; whatever was learnt by then stays.
///
/// # Errors
/// Where the images don't fit the model, one of them can't be read, or the loss is no longer a number.
pub fn train<'d, D: Dataset + Clone + 'd>(
    model: &mut Model<f32>,
    optimizer: &mut dyn Optimizer<f32>,
    training: &Training,
    mut data: impl FnMut(usize) -> Cow<'d, D>,
    mut watch: impl FnMut(&Progress, &Model<f32>) -> ControlFlow<()>,
) -> Result<(), TrainError> {
    let mut step = 0;
    for epoch in 0..training.epochs {
        let images = data(epoch);
        let normalization = normalization_for(model, &*images)?;
        if training.batch_size == 0 {
            return Err(TrainError::Nothing);
        }
        let loader = Loader::new(&*images, &normalization, training.batch_size).shuffled(training.seed);
        let steps = training.epochs * loader.batches();
        let flow = loader.epoch(epoch as u64, 0, |batches| {
            for batch in batches {
                let Batch { images, labels, .. } = batch?;
                let learning_rate = training.learning_rate * training.schedule.factor(step, steps);
                optimizer.set_learning_rate(learning_rate);
                let seed = training.seed.wrapping_add(step as u64);
                let loss = train_step(model, optimizer, images, &labels, training.label_smoothing, seed)?;
                let loss = f64::from(loss);
                if !loss.is_finite() {
                    return Err(TrainError::NotFinite { step, loss, learning_rate });
                }
                step += 1;
                let progress = Progress { epoch, step, steps, images: labels.len(), loss, learning_rate };
                if watch(&progress, model).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// How these images become numbers for the model, if they fit it and there are any.
fn normalization_for(model: &Model<f32>, images: &dyn Dataset) -> Result<Normalization, TrainError> {
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

/// How well the model does on a set.
///
/// # Errors
/// Where the images don't fit the model, or one of them can't be read.
pub fn evaluate(model: &Model<f32>, images: &dyn Dataset) -> Result<Evaluation, TrainError> {
    let normalization = normalization_for(model, images)?;
    let classes = model.classes();
    let (mut right, mut loss) = (0, 0.0);
    Loader::new(images, &normalization, EVALUATION_BATCH).epoch(0, 0, |batches| {
        for batch in batches {
            let Batch { images, labels, .. } = batch?;
            let logits = model.predict(images)?;
            for (scores, &label) in logits.as_slice().chunks_exact(classes).zip(&labels) {
                let best = (0..classes).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).expect("a model has classes");
                right += usize::from(best == label);
            }
            let tape = Tape::keeping(Keep::Nothing);
            let mean = ops::cross_entropy(&tape.leaf(logits), &labels, 0.0).value().item();
            loss += f64::from(mean) * labels.len() as f64;
        }
        Ok::<(), TrainError>(())
    })?;
    Ok(Evaluation { accuracy: right as f64 / images.len() as f64, loss: loss / images.len() as f64 })
}
