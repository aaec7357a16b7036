//! A training in the making, and how it goes.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tensor::Var;

use super::checkpoint::{BEST, Kind, Run};
use super::course::{Ended, Epoch, Progress, Trained, best};
use super::error::TrainError;
use super::evaluation::{evaluate_with, normalization_for, rank};
use super::features::Features;
use super::step::Lesson;
use super::{Training, diagnosis};
use crate::data::{Augmentation, Batch, DataError, Dataset, Loader};
use crate::model::{Model, Source};
use crate::ops;
use crate::optim::{Optimizer, WeightAverage, clip_norm, global_norm};

/// Between two checkpoints within an epoch, unless told otherwise.
const EVERY: Duration = Duration::from_secs(60);

type Loss<'a> = Box<dyn Fn(&Var<f32>, &Batch) -> Var<f32> + Send + Sync + 'a>;
type OnStep<'a> = Box<dyn FnMut(&Progress, &Model<f32>) -> ControlFlow<()> + 'a>;
type OnEpoch<'a> = Box<dyn FnMut(&Epoch, &Model<f32>) -> ControlFlow<()> + 'a>;

/// A training in the making: settings, an optimiser, and what shall happen on the way.
///
/// The same settings, model and images give the same weights, bit for bit: on any number of threads, and in one run or in
/// many, each gone on from the [checkpoint](Self::checkpoints) of the one before.
pub struct Trainer<'a> {
    training: Training,
    optimizer: Box<dyn Optimizer<f32> + 'a>,
    loss: Loss<'a>,
    augmentation: Augmentation,
    class_weights: Option<Vec<f64>>,
    validation: Option<&'a dyn Dataset>,
    checkpoints: Option<PathBuf>,
    every: Duration,
    resume: bool,
    memory: Option<usize>,
    on_step: OnStep<'a>,
    on_epoch: OnEpoch<'a>,
}

impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Trainer");
        shown.field("training", &self.training).field("augmentation", &self.augmentation);
        shown.field("checkpoints", &self.checkpoints).field("resume", &self.resume).finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    /// With these settings (the learning rate is theirs, not the optimiser's) and the mean cross-entropy as the loss.
    #[must_use]
    pub fn new(training: Training, optimizer: impl Optimizer<f32> + 'a) -> Self {
        Self {
            training,
            optimizer: Box::new(optimizer),
            loss: Box::new(move |logits, batch| match &batch.soft_targets {
                Some(targets) => ops::soft_cross_entropy(logits, targets, training.label_smoothing),
                None => ops::cross_entropy(logits, &batch.labels, training.label_smoothing),
            }),
            augmentation: Augmentation::default(),
            class_weights: None,
            validation: None,
            checkpoints: None,
            every: EVERY,
            resume: false,
            memory: None,
            on_step: Box::new(|_, _| ControlFlow::Continue(())),
            on_epoch: Box::new(|_, _| ControlFlow::Continue(())),
        }
    }

    /// With another loss `[]`, computed on the tape from the scores `[N, classes]` and the batch that they are of. It smooths
    /// labels itself if they are to be smoothed.
    #[must_use]
    pub fn loss(self, loss: impl Fn(&Var<f32>, &Batch) -> Var<f32> + Send + Sync + 'a) -> Self {
        Self { loss: Box::new(loss), ..self }
    }

    /// With images that are changed at random, anew in each epoch.
    #[must_use]
    pub fn augmentation(self, augmentation: Augmentation) -> Self {
        Self { augmentation, ..self }
    }

    /// With a weight for each class by which the loss of its images is multiplied; see [`Dataset::class_weights`].
    #[must_use]
    pub fn class_weights(self, weights: Vec<f64>) -> Self {
        Self { class_weights: Some(weights), ..self }
    }

    /// With images to validate with after each epoch.
    #[must_use]
    pub fn validation(self, images: &'a dyn Dataset) -> Self {
        Self { validation: Some(images), ..self }
    }

    /// With two files in this folder, each of them always whole: [`LAST`](super::LAST), from which the training can go on,
    /// written after each epoch, every minute, and where a callback stops it; and [`BEST`], the model after its best epoch.
    #[must_use]
    pub fn checkpoints(self, folder: impl AsRef<Path>) -> Self {
        Self { checkpoints: Some(folder.as_ref().into()), ..self }
    }

    /// With a checkpoint as soon as so much time has gone since the last.
    #[must_use]
    pub fn checkpoint_every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Going on from the last checkpoint in the folder, if there is one; from the beginning otherwise.
    #[must_use]
    pub fn resume(self) -> Self {
        Self { resume: true, ..self }
    }

    /// With what frozen layers compute from an image before the first layer that is trained kept, so that it is computed only
    /// once, of as many images as have room in so many bytes. The weights come out the same, bit for bit. A loss of one's
    /// own doesn't see the images whose features are known. Where images are never the same, since they are
    /// [augmented](Self::augmentation) or [other ones](Self::fit_epochs) in each epoch, only those to validate with are
    /// kept.
    #[must_use]
    pub fn keep_features(self, memory: usize) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// With something to be done after each step, which sees the model as it is, and may stop the training. No checkpoint
    /// has a step before this was done for it; a training that goes on from an earlier one makes the step, and does this,
    /// again.
    #[must_use]
    pub fn on_step(self, act: impl FnMut(&Progress, &Model<f32>) -> ControlFlow<()> + 'a) -> Self {
        Self { on_step: Box::new(act), ..self }
    }

    /// With something to be done after each epoch, which sees the model that was validated, and may stop the training. As
    /// [`on_step`](Self::on_step), it is done before the epoch's checkpoint.
    #[must_use]
    pub fn on_epoch(self, act: impl FnMut(&Epoch, &Model<f32>) -> ControlFlow<()> + 'a) -> Self {
        Self { on_epoch: Box::new(act), ..self }
    }

    /// Trains the model, all but its [frozen layers](Model::freeze). It ends with the averaged weights, if they are
    /// averaged; after an error it holds what was learnt by then.
    ///
    /// # Errors
    /// Where a setting is outside its range, the images don't fit the model, one of them can't be read, the loss or a
    /// gradient is no longer a number, a checkpoint can't be written or gone on from, or features are to be kept and no layer
    /// is frozen that gives them.
    pub fn fit(self, model: &mut Model<f32>, images: &dyn Dataset) -> Result<Trained, TrainError> {
        let memory = self.memory.filter(|_| self.augmentation == Augmentation::default());
        self.fit_keeping(model, |_| Ok(Box::new(images)), memory)
    }

    /// As [`fit`](Self::fit), with images of their own for each epoch, always as many.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_epochs<'d>(
        self,
        model: &mut Model<f32>,
        images: impl FnMut(usize) -> Result<Box<dyn Dataset + 'd>, DataError>,
    ) -> Result<Trained, TrainError> {
        self.fit_keeping(model, images, None)
    }

    /// Trains, with so many bytes for the features of the images to train on.
    fn fit_keeping<'d>(
        mut self,
        model: &mut Model<f32>,
        mut images: impl FnMut(usize) -> Result<Box<dyn Dataset + 'd>, DataError>,
        memory: Option<usize>,
    ) -> Result<Trained, TrainError> {
        self.training.check()?;
        if !(0..model.parameters().len()).any(|index| model.is_trained(index)) {
            return Err(TrainError::AllFrozen);
        }
        if let (Some(_), Source::Image, Some(first)) = (self.memory, model.trunk(), model.first_changing()) {
            return Err(TrainError::NoTrunk { changing: first.name.clone() });
        }
        let first = images(0)?;
        let (count, mut next) = (first.len(), Some(first));
        let features = Features::new(model, count, memory.unwrap_or(0));
        let rest = self.memory.unwrap_or(0).saturating_sub(features.bytes());
        let validated = Features::new(model, self.validation.map_or(0, Dataset::len), rest);
        let average = self.training.weight_average.map(|decay| WeightAverage::new(model, decay));
        let kind = Kind {
            training: self.training,
            augmentation: self.augmentation.clone(),
            class_weights: self.class_weights.clone(),
            images: count,
        };
        let mut run = Run::new(kind, model, average);
        if let Some(folder) = self.checkpoints.as_ref().filter(|_| self.resume) {
            run.resume(folder, &mut *self.optimizer)?;
        }
        let ended = loop {
            if run.at.epoch == self.training.epochs {
                break Ended::Finished;
            }
            if self.training.patience.is_some_and(|patience| run.epochs_since_best() >= patience) {
                break Ended::Patience;
            }
            let images = match next.take().filter(|_| run.at.epoch == 0) {
                Some(images) => images,
                None => images(run.at.epoch)?,
            };
            let flow = self.epoch(&mut run, &*images, [&features, &validated])?;
            if flow.is_break() {
                self.save(&run)?;
                break Ended::Stopped;
            }
        };
        let (step, steps, history) = (run.at.step, run.steps(), std::mem::take(&mut run.at.history));
        if let Some(average) = run.average {
            *run.model = average.model().clone();
        }
        Ok(Trained { ended, step, steps, history })
    }

    /// The rest of an epoch, and what follows it.
    fn epoch(
        &mut self,
        run: &mut Run<'_>,
        images: &dyn Dataset,
        [features, validated]: [&Features; 2],
    ) -> Result<ControlFlow<()>, TrainError> {
        let normalization = normalization_for(run.model, images)?;
        let soft = self.augmentation.mixup > 0.0 || self.class_weights.is_some();
        let (expected, found) = (run.model.classes(), images.class_names().len());
        if soft && found != expected || self.class_weights.as_ref().is_some_and(|weights| weights.len() != found) {
            return Err(TrainError::Classes { expected, found });
        }
        let (seed, augmentation) = (self.training.seed, self.augmentation.clone());
        let loader = Loader::new(images, &normalization, self.training.batch_size).shuffled(seed);
        let mut loader = loader.augmented(&augmentation, seed)?;
        let weights = self.class_weights.clone();
        if let Some(weights) = &weights {
            loader = loader.weighted(weights);
        }
        let known = |place| features.has(place);
        let loader = loader.without(&known);
        let (mut saved, order) = (Instant::now(), loader.order(run.at.epoch as u64));
        let places = order.chunks(self.training.batch_size).skip(run.at.batch);
        let flow = loader.epoch(run.at.epoch as u64, run.at.batch, |batches| {
            for (batch, places) in batches.zip(places) {
                let progress = self.step(run, batch?, places, features)?;
                if (self.on_step)(&progress, run.model).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if saved.elapsed() >= self.every {
                    self.save(run)?;
                    saved = Instant::now();
                }
            }
            Ok::<_, TrainError>(ControlFlow::Continue(()))
        })?;
        if flow.is_break() {
            return Ok(flow);
        }
        let validation = self.validation.map(|images| evaluate_with(run.validated(), images, validated));
        let report = run.end_epoch(validation.transpose()?.map(|evaluation| evaluation.scores()));
        let flow = (self.on_epoch)(&report, run.validated());
        if let Some(folder) = &self.checkpoints {
            if best(&run.at.history) == Some(report.epoch) {
                run.validated().save(folder.join(BEST))?;
            }
            run.save(folder, &*self.optimizer)?;
        }
        Ok(flow)
    }

    fn step(
        &mut self,
        run: &mut Run<'_>,
        batch: Batch,
        places: &[usize],
        features: &Features,
    ) -> Result<Progress, TrainError> {
        let labels = &batch.labels;
        let (step, steps) = (run.at.step, run.steps());
        let learning_rate = self.training.learning_rate * self.training.schedule.factor(step, steps);
        let seed = self.training.seed.wrapping_add(step as u64);
        let (trunk, values) = (features.trunk(), features.of(run.model, places, &batch.images)?);
        let loss = |logits: &Var<f32>| (self.loss)(logits, &batch);
        let mut lesson = Lesson::behind(run.model, trunk, values.clone(), seed, loss);
        let loss = f64::from(lesson.loss);
        let broken = |what, value, diagnosis: diagnosis::Diagnosis| TrainError::NotFinite {
            what,
            value,
            step: step + 1,
            epoch: run.at.epoch + 1,
            place: diagnosis.place,
            advice: diagnosis.advice,
            learning_rate,
        };
        if !loss.is_finite() {
            return Err(broken("the loss", loss, diagnosis::of_loss(run.model, trunk, &values, seed)));
        }
        let gradient_norm = match self.training.clip_norm {
            Some(most) => clip_norm(&mut lesson.gradients, most),
            None => global_norm(&lesson.gradients),
        };
        if !gradient_norm.is_finite() {
            return Err(broken("the gradient", gradient_norm, diagnosis::of_gradients(run.model, &lesson)));
        }
        self.optimizer.set_learning_rate(learning_rate);
        run.learn(&lesson, &mut *self.optimizer);
        let classes = run.model.classes();
        let scores = lesson.logits.as_slice().chunks_exact(classes);
        let right = scores.zip(labels).filter(|&(scores, &label)| rank(scores, label) == 0).count();
        let epoch = run.at.epoch;
        run.count(labels.len(), right, loss, learning_rate);
        Ok(Progress { epoch, step: step + 1, steps, images: labels.len(), right, loss, gradient_norm, learning_rate })
    }

    fn save(&self, run: &Run<'_>) -> Result<(), TrainError> {
        match &self.checkpoints {
            Some(folder) => Ok(run.save(folder, &*self.optimizer)?),
            None => Ok(()),
        }
    }
}
