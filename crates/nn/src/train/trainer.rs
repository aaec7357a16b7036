//! The training loop.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tensor::Var;

use super::Training;
use super::bookmark::Bookmark;
use super::checkpoint::{BEST, Kind, Run};
use super::course::{Ended, Epoch, Progress, Trained, best};
use super::error::TrainError;
use super::evaluation::{evaluate_with, normalization_for};
use super::features::Features;
use super::ranks::{Alone, Exchange, Ranks, RanksError};
use super::score::Score;
use super::standard::Standard;
use crate::data::{Augmentation, Batch, DataError, Dataset, Loader};
use crate::model::{Model, Source, Task};
use crate::optim::{Optimizer, WeightAverage};

/// Default interval between checkpoints within an epoch.
const EVERY: Duration = Duration::from_secs(60);

type Loss<'a> = Box<dyn Fn(&Var<f32>, &Batch) -> Var<f32> + Send + Sync + 'a>;
type OnStep<'a> = Box<dyn FnMut(&Progress, &Model<f32>) -> ControlFlow<()> + 'a>;
type OnEpoch<'a> = Box<dyn FnMut(&Epoch, &Model<f32>) -> ControlFlow<()> + 'a>;

/// A training loop: settings, an optimiser, and optionally augmentation, validation, checkpoints and callbacks.
///
/// The same settings, model and images give the same weights, bit for bit, on any number of threads, whether the training
/// runs without a break or is resumed from [checkpoints](Self::checkpoints), alone or [among ranks](Self::among).
pub struct Trainer<'a> {
    pub(super) training: Training,
    pub(super) optimizer: Box<dyn Optimizer<f32> + 'a>,
    /// The loss, if it isn't [`fitting_loss`](super::fitting_loss).
    pub(super) loss: Option<Loss<'a>>,
    augmentation: Augmentation,
    class_weights: Option<Vec<f64>>,
    pub(super) positive_weights: Option<Vec<f64>>,
    validation: Option<&'a dyn Dataset>,
    checkpoints: Option<PathBuf>,
    every: Duration,
    resume: bool,
    bookmark: Option<&'a mut Bookmark>,
    /// Bytes for the outputs of the trunk.
    memory: Option<usize>,
    pub(super) ranks: &'a dyn Ranks,
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
    /// A training with these settings and the loss that [fits](super::fitting_loss) the images' task. The learning rate is that
    /// of the settings, not the optimiser's.
    ///
    /// Values are trained in units of their [standard deviation](Standard) in the training images, so that the settings don't
    /// depend on their units. [`Standard::apply`] begins a new model with the mean of the values.
    #[must_use]
    pub fn new(training: Training, optimizer: impl Optimizer<f32> + 'a) -> Self {
        Self {
            training,
            optimizer: Box::new(optimizer),
            loss: None,
            augmentation: Augmentation::default(),
            class_weights: None,
            positive_weights: None,
            validation: None,
            checkpoints: None,
            every: EVERY,
            resume: false,
            bookmark: None,
            memory: None,
            ranks: &Alone,
            on_step: Box::new(|_, _| ControlFlow::Continue(())),
            on_epoch: Box::new(|_, _| ControlFlow::Continue(())),
        }
    }

    /// Replaces the loss. `loss` computes it, of shape `[]`, on the tape from the scores `[N, K]` or `[N, H, W, K]` and their
    /// batch, or those of a [slot](super#slots); scores and targets of values are in standard deviations from their mean. The
    /// label smoothing of the settings and the weights of labels don't apply to it.
    #[must_use]
    pub fn loss(self, loss: impl Fn(&Var<f32>, &Batch) -> Var<f32> + Send + Sync + 'a) -> Self {
        Self { loss: Some(Box::new(loss)), ..self }
    }

    /// Changes the images at random, differently in each epoch.
    #[must_use]
    pub fn augmentation(self, augmentation: Augmentation) -> Self {
        Self { augmentation, ..self }
    }

    /// Multiplies the loss of each image by the weight of its class; see [`Dataset::class_weights`].
    #[must_use]
    pub fn class_weights(self, weights: Vec<f64>) -> Self {
        Self { class_weights: Some(weights), ..self }
    }

    /// Multiplies the loss of each label's presence by the label's weight; see
    /// [`binary_cross_entropy`](crate::losses::binary_cross_entropy) and [`positive_weights`](super::positive_weights).
    #[must_use]
    pub fn positive_weights(self, weights: Vec<f64>) -> Self {
        Self { positive_weights: Some(weights), ..self }
    }

    /// Validates the model on these images after each epoch.
    #[must_use]
    pub fn validation(self, images: &'a dyn Dataset) -> Self {
        Self { validation: Some(images), ..self }
    }

    /// Keeps two files in this folder: [`LAST`](super::LAST), the checkpoint from which the training can be resumed, written
    /// after each epoch, every minute, and when a callback stops the training; and [`BEST`], the model after its best epoch.
    /// Both are replaced atomically: a crash never leaves an incomplete file.
    #[must_use]
    pub fn checkpoints(self, folder: impl AsRef<Path>) -> Self {
        Self { checkpoints: Some(folder.as_ref().into()), ..self }
    }

    /// Sets the interval between checkpoints within an epoch, a minute by default.
    #[must_use]
    pub fn checkpoint_every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Resumes from the last checkpoint in the folder. If there is none, the training starts from the beginning.
    #[must_use]
    pub fn resume(self) -> Self {
        Self { resume: true, ..self }
    }

    /// Starts at the bookmark, and moves it to where this call stops. A training that a callback stopped can so be continued by
    /// another call, without files. Pass the same model and [optimiser](Optimizer) again. Settings may change in between, except
    /// the batch size and the seed.
    ///
    /// A model that a callback stopped has the weights of its last step, even if they are averaged.
    ///
    /// ```
    /// # use nn::data::fashion_mnist;
    /// # use nn::layers::{Conv2d, GlobalAvgPool, Linear};
    /// # use nn::{Model, ModelInfo};
    /// # let garments = fashion_mnist::train().subset(&(0..200).collect::<Vec<_>>());
    /// # let info = ModelInfo { normalization: Some(garments.statistics()), ..ModelInfo::default() };
    /// # let head = Model::builder([28, 28, 1]).layer("conv", Conv2d::new(8, 3).stride(4)).layer("gap", GlobalAvgPool);
    /// # let mut model = head.layer("fc", Linear::new(10)).info(info).build(1)?;
    /// use nn::optim::Sgd;
    /// use nn::train::{Bookmark, Trainer, Training};
    /// use std::ops::ControlFlow::Break;
    ///
    /// let (mut sgd, mut bookmark) = (Sgd::new(0.1, 0.9), Bookmark::default());
    /// for step in 1..=3 {
    ///     let trainer = Trainer::new(Training::default(), &mut sgd).bookmark(&mut bookmark).on_step(|_, _| Break(()));
    ///     assert_eq!(trainer.fit(&mut model, &garments)?.step, step);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn bookmark(self, bookmark: &'a mut Bookmark) -> Self {
        Self { bookmark: Some(bookmark), ..self }
    }

    /// Caches the outputs of the frozen layers before the first trained one, in at most `memory` bytes, so that they are
    /// computed only once for each image that fits. The weights are the same as without the cache, bit for bit.
    ///
    /// The batch given to a [custom loss](Self::loss) lacks the images whose outputs are cached. If images differ between
    /// epochs, because of [augmentation](Self::augmentation) or [`fit_epochs`](Self::fit_epochs), only the outputs for the
    /// validation images are cached.
    #[must_use]
    pub fn keep_features(self, memory: usize) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// Shares the [slots](super#slots) of each batch among ranks, each of which trains with the same settings, model and images
    /// and returns the same result. The weights are the same bits as without other ranks. Rank 0 alone reads and writes
    /// [checkpoints](Self::checkpoints); callbacks are called on each rank. The wish of one rank to stop after a step is known to
    /// the others after the next one, and all stop after that.
    ///
    /// After an error the rank [aborts](Ranks::abort) all.
    #[must_use]
    pub fn among(self, ranks: &'a dyn Ranks) -> Self {
        Self { ranks, ..self }
    }

    /// Calls `act` after each step with the current model; `Break` stops the training. The scores of a model of values are
    /// then still in standard deviations from their mean. A checkpoint is written only after
    /// `act` ran for its last step, so a resumed training may repeat a step together with its callback.
    #[must_use]
    pub fn on_step(self, act: impl FnMut(&Progress, &Model<f32>) -> ControlFlow<()> + 'a) -> Self {
        Self { on_step: Box::new(act), ..self }
    }

    /// Calls `act` after each epoch with the model that was validated; `Break` stops the training. As for
    /// [`on_step`](Self::on_step), the epoch's checkpoint is written afterwards.
    #[must_use]
    pub fn on_epoch(self, act: impl FnMut(&Epoch, &Model<f32>) -> ControlFlow<()> + 'a) -> Self {
        Self { on_epoch: Box::new(act), ..self }
    }

    /// Trains the model, except for its [frozen layers](Model::freeze). If the weights are averaged, the model has the
    /// averaged weights at the end. After an error it has the weights of the last step.
    ///
    /// # Errors
    /// If a setting is outside its range, the images don't fit the model, an image can't be read, the loss or a gradient
    /// isn't finite, a checkpoint can't be written or resumed from, features are to be kept and the model has no frozen
    /// trunk, or the ranks have different settings, networks or images, or
    /// there are more of them than slots.
    pub fn fit(self, model: &mut Model<f32>, images: &dyn Dataset) -> Result<Trained, TrainError> {
        let memory = self.memory.filter(|_| self.augmentation == Augmentation::default());
        self.fit_keeping(model, |_| Ok(Box::new(images)), memory)
    }

    /// As [`fit`](Self::fit), with other images for each epoch: `images` is called with the epoch, from 0, and always returns the
    /// same number of images.
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

    /// Trains, with a cache of at most `memory` bytes for the trunk's outputs for the training images.
    fn fit_keeping<'d>(
        self,
        model: &mut Model<f32>,
        images: impl FnMut(usize) -> Result<Box<dyn Dataset + 'd>, DataError>,
        memory: Option<usize>,
    ) -> Result<Trained, TrainError> {
        let ranks = self.ranks;
        self.fit_checked(model, images, memory).inspect_err(|error| match error {
            TrainError::Ranks(RanksError::Ended { .. }) => (),
            error => ranks.abort(&error.to_string()),
        })
    }

    fn fit_checked<'d>(
        self,
        model: &mut Model<f32>,
        mut images: impl FnMut(usize) -> Result<Box<dyn Dataset + 'd>, DataError>,
        memory: Option<usize>,
    ) -> Result<Trained, TrainError> {
        self.training.check()?;
        let first = images(0)?;
        normalization_for(model, &*first)?;
        if first.task() != Task::Values {
            return self.course(model, first, images, memory, None);
        }
        let standard = Standard::of(&*first)?;
        standard.undo(model)?;
        let trained = self.course(model, first, images, memory, Some(standard.clone()));
        standard.apply(model)?;
        trained
    }

    /// Trains. `standard` are the statistics of the values, in whose units the model gives them.
    fn course<'d>(
        mut self,
        model: &mut Model<f32>,
        first: Box<dyn Dataset + 'd>,
        mut images: impl FnMut(usize) -> Result<Box<dyn Dataset + 'd>, DataError>,
        memory: Option<usize>,
        standard: Option<Standard>,
    ) -> Result<Trained, TrainError> {
        if !(0..model.parameters().len()).any(|index| model.is_trained(index)) {
            return Err(TrainError::AllFrozen);
        }
        if let (Some(_), Source::Image, Some(first)) = (self.memory, model.trunk(), model.first_changing()) {
            return Err(TrainError::NoTrunk { changing: first.name.clone() });
        }
        let (count, score) = (first.len(), Score::of_steps(&*first));
        let mut next = Some(first);
        let features = Features::new(model, count, memory.unwrap_or(0));
        let rest = self.memory.unwrap_or(0).saturating_sub(features.bytes());
        let validated = Features::new(model, self.validation.map_or(0, Dataset::len), rest);
        let average = self.training.weight_average.map(|decay| WeightAverage::new(model, decay));
        let kind = Kind {
            training: self.training,
            augmentation: self.augmentation.clone(),
            class_weights: self.class_weights.clone(),
            images: count,
            positive_weights: self.positive_weights.clone(),
            standard,
        };
        let mut run = Run::new(kind, model, average, score);
        let exchange = Exchange::new(self.ranks);
        self.check_ranks(&run, &exchange, count)?;
        if let Some(folder) = self.checkpoints.as_ref().filter(|_| self.resume) {
            run.resume(folder, &mut *self.optimizer, &exchange)?;
        }
        if let Some(bookmark) = &mut self.bookmark {
            bookmark.open(&mut run);
        }
        let ended = loop {
            if run.at.epoch >= self.training.epochs {
                break Ended::Finished;
            }
            if self.training.patience.is_some_and(|patience| run.epochs_since_best() >= patience) {
                break Ended::Patience;
            }
            let images = match next.take().filter(|_| run.at.epoch == 0) {
                Some(images) => images,
                None => images(run.at.epoch)?,
            };
            let flow = self.epoch(&mut run, &*images, [&features, &validated], &exchange)?;
            if flow.is_break() {
                self.save(&run)?;
                break Ended::Stopped;
            }
        };
        if let Some(bookmark) = self.bookmark {
            bookmark.close(&mut run, ended);
        }
        let (step, steps, history) = (run.at.step, run.steps(), std::mem::take(&mut run.at.history));
        if let Some(average) = run.average {
            *run.model = average.model().clone();
        }
        Ok(Trained { ended, step, steps, history })
    }

    /// Runs the rest of an epoch, validates, and writes the checkpoint.
    fn epoch(
        &mut self,
        run: &mut Run<'_>,
        images: &dyn Dataset,
        [features, validated]: [&Features; 2],
        exchange: &Exchange<'_>,
    ) -> Result<ControlFlow<()>, TrainError> {
        let normalization = normalization_for(run.model, images)?;
        self.check_weights(run.model, images)?;
        let (seed, augmentation) = (self.training.seed, self.augmentation.clone());
        let loader = Loader::new(images, &normalization, self.training.batch_size).shuffled(seed);
        let mut loader = loader.augmented(&augmentation, seed)?;
        let weights = self.class_weights.clone();
        if let Some(weights) = &weights {
            loader = loader.weighted(weights);
        }
        let cached = |index| features.has(index);
        let loader = loader.without(&cached);
        // Browsers have no clock for it.
        let mut saved = self.checkpoints.is_some().then(Instant::now);
        let order = loader.order(run.at.epoch as u64);
        let batch_size = self.training.batch_size;
        let (places, ahead) = self.places(run.at.batch, order.len(), exchange);
        let mut wish = false;
        let flow = loader.parts(run.at.epoch as u64, places, ahead, |parts| {
            for indices in order.chunks(batch_size).skip(run.at.batch) {
                let (progress, wished) = self.step(run, parts, indices, features, exchange, wish)?;
                wish |= (self.on_step)(&progress, run.model).is_break();
                if wished || wish && exchange.is_alone() {
                    return Ok(ControlFlow::Break(()));
                }
                if saved.is_some_and(|saved| saved.elapsed() >= self.every) {
                    self.save(run)?;
                    saved = Some(Instant::now());
                }
            }
            Ok::<_, TrainError>(ControlFlow::Continue(()))
        })?;
        if flow.is_break() || exchange.any(wish)? {
            return Ok(ControlFlow::Break(()));
        }
        let model = run.validated()?;
        let validation =
            self.validation.map(|images| evaluate_with(&model, images, validated, run.standard(), exchange));
        let validation = validation.transpose()?.map(|evaluation| evaluation.scores());
        drop(model);
        let report = run.end_epoch(validation);
        let model = run.validated()?;
        let stops = exchange.any((self.on_epoch)(&report, &model).is_break())?;
        if !exchange.is_alone()
            && let Some((rank, _)) = exchange.differing(&[run.weights()])?
        {
            return Err(RanksError::Weights { rank, epoch: report.epoch + 1 }.into());
        }
        if let Some(folder) = self.checkpoints.as_ref().filter(|_| exchange.leads()) {
            if best(&run.at.history) == Some(report.epoch) {
                model.save(folder.join(BEST))?;
            }
            run.save(folder, &*self.optimizer)?;
        }
        Ok(if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Checks that weights and mixing suit the images.
    fn check_weights(&self, model: &Model<f32>, images: &dyn Dataset) -> Result<(), TrainError> {
        let (expected, found) = (model.scores(), images.class_names().len());
        let refused = |what, of, found| Err(TrainError::Weights { what, of, found });
        let task = || if images.is_map() { "masks".into() } else { images.task().to_string() };
        if let Some(weights) = &self.class_weights {
            if !images.has_classes() {
                return refused("class weights", "images of classes", task());
            }
            if weights.len() != found {
                return Err(TrainError::Classes { expected, found });
            }
        }
        if let Some(weights) = &self.positive_weights {
            if images.task() != Task::Labels {
                return refused("positive weights", "images with labels", task());
            }
            if weights.len() != found {
                return refused("positive weights", "each label", format!("{found}, not {}", weights.len()));
            }
        }
        if images.has_classes() && (self.augmentation.mixup > 0.0 || self.class_weights.is_some()) && found != expected
        {
            return Err(TrainError::Classes { expected, found });
        }
        Ok(())
    }

    fn save(&self, run: &Run<'_>) -> Result<(), TrainError> {
        match self.checkpoints.as_ref().filter(|_| self.ranks.rank() == 0) {
            Some(folder) => Ok(run.save(folder, &*self.optimizer)?),
            None => Ok(()),
        }
    }
}
