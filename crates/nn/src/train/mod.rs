//! Training: steps, epochs, evaluation, checkpoints.
//!
//! [`Trainer`] is the whole training loop, [`train_step`] a single step.
//!
//! ```
//! use nn::data::fashion_mnist;
//! use nn::optim::Sgd;
//! use nn::train::{Trainer, Training, evaluate};
//! use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
//! use nn::{Model, ModelInfo};
//!
//! let garments = fashion_mnist::train().subset(&(0..200).collect::<Vec<_>>());
//! let mut model = Model::builder([28, 28, 1])
//!     .layer("conv", Conv2d::new(8, 3).stride(2))
//!     .layer("relu", Relu)
//!     .layer("gap", GlobalAvgPool)
//!     .layer("fc", Linear::new(10))
//!     .info(ModelInfo {
//!         classes: fashion_mnist::classes(),
//!         normalization: Some(garments.statistics()),
//!         ..ModelInfo::default()
//!     })
//!     .build(1)?;
//! let training = Training { epochs: 2, batch_size: 20, learning_rate: 0.1, ..Training::default() };
//! let trained = Trainer::new(training, Sgd::new(0.1, 0.9)).validation(&garments).fit(&mut model, &garments)?;
//! assert_eq!(trained.steps, 20);
//! assert_eq!(trained.history[1].validation.unwrap().score, evaluate(&model, &garments)?.score());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Callbacks
//!
//! Callbacks run after each step and each epoch. They see the model, and may stop the training:
//!
//! ```
//! # use nn::data::fashion_mnist;
//! # use nn::optim::Sgd;
//! # use nn::train::{Ended, Trainer, Training};
//! # use nn::layers::{Conv2d, GlobalAvgPool, Linear};
//! # use nn::{Model, ModelInfo};
//! # let garments = fashion_mnist::train().subset(&(0..200).collect::<Vec<_>>());
//! # let info = ModelInfo { normalization: Some(garments.statistics()), ..ModelInfo::default() };
//! # let head = Model::builder([28, 28, 1]).layer("conv", Conv2d::new(8, 3).stride(4)).layer("gap", GlobalAvgPool);
//! # let mut model = head.layer("fc", Linear::new(10)).info(info).build(1)?;
//! use std::ops::ControlFlow::{Break, Continue};
//!
//! let mut norms = Vec::new();
//! let trained = Trainer::new(Training::default(), Sgd::new(0.1, 0.9))
//!     .on_step(|progress, _| {
//!         norms.push(progress.gradient_norm);
//!         Continue(())
//!     })
//!     .on_epoch(|epoch, _| if epoch.epoch == 1 { Break(()) } else { Continue(()) })
//!     .fit(&mut model, &garments)?;
//! assert_eq!((trained.ended, trained.step, norms.len()), (Ended::Stopped, 8, 8));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Transfer learning
//!
//! A trained model is [cut](crate::Model::cut_after) and gets a new head; its trunk is [frozen](crate::Model::freeze_up_to),
//! so that only the head is trained. The trunk's output for an image is then the same in each epoch, and can be
//! [cached](Trainer::keep_features): all epochs but the first cost only the head, and the weights are the same bit for bit.
//!
//! ```
//! # use nn::data::fashion_mnist;
//! # use nn::optim::Adam;
//! # use nn::train::{Trainer, Training};
//! # use nn::layers::{Conv2d, GlobalAvgPool, Linear};
//! # use nn::{Model, ModelInfo};
//! # let garments = fashion_mnist::train().subset(&(0..200).collect::<Vec<_>>());
//! # let info = ModelInfo { normalization: Some(garments.statistics()), ..ModelInfo::default() };
//! # let learnt = Model::builder([28, 28, 1])
//! #     .layer("conv", Conv2d::new(8, 3).stride(4))
//! #     .layer("gap", GlobalAvgPool)
//! #     .layer("scores", Linear::new(1000))
//! #     .info(info)
//! #     .build(1)?;
//! let classes = fashion_mnist::classes();
//! let info = ModelInfo { classes, ..learnt.info().clone() };
//! let mut model = learnt.cut_after("gap")?.layer("fc", Linear::new(10)).info(info).build(7)?;
//! model.freeze_up_to("gap")?;
//! let training = Training { learning_rate: 0.01, ..Training::default() };
//! Trainer::new(training, Adam::new(0.01)).keep_features(1 << 30).fit(&mut model, &garments)?;
//! assert_eq!(model.parameter("conv.weight"), learnt.parameter("conv.weight"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Labels, values and masks
//!
//! What is true of the images ([`Dataset::task`](crate::data::Dataset::task)) decides the loss ([`fitting_loss`]), the results of
//! an [`Evaluation`], and the [`Score`] that chooses the best epoch. It must be what the
//! [model's scores mean](crate::ModelInfo::task).
//!
//! # Slots
//!
//! With a [`slot_size`](Training::slot_size), each step cuts its batch into slots of that many images, computes the gradient of
//! one slot after the other, each on its own tape, and adds them along a binary tree. Activations of one slot are kept at a
//! time: that takes less memory, and they stay in the processor's cache. A slot as large as the batch changes no bit. What
//! depends on several images sees a slot instead of the batch:
//!
//! - batch norm normalises by the statistics of the slot (*ghost batch norm*: Hoffer et al., *Train longer, generalize better*,
//!   2017), and its running statistics move towards the mean of the slots' statistics, weighted by their numbers of images
//! - mixup mixes an image with the next one of its slot, the last with the first
//! - a [custom loss](Trainer::loss) is computed for each slot; the loss of the batch is their mean, weighted by their numbers of
//!   images
//! - dropout draws other masks for each slot
//!
//! Everything else is as with whole batches, up to rounding: losses, class weights, clipping (of the whole batch's gradient),
//! the average of the weights.
//!
//! # Ranks
//!
//! Several [`Ranks`], processes on one machine or many, share a training ([`Trainer::among`]): each computes the subtrees of the
//! slots that it owns, and what is left of the tree is added from messages. The weights are bit for bit those of one process
//! with the same slots, whatever the number of ranks and of their threads.
//!
//! # Custom losses
//!
//! A loss is computed on the tape, so its gradient needs no code:
//!
//! ```
//! # use nn::{optim::Sgd, losses::cross_entropy, train::{Trainer, Training}};
//! // Cross-entropy, and a penalty for large scores.
//! let trainer = Trainer::new(Training::default(), Sgd::new(0.1, 0.9))
//!     .loss(|logits, batch| cross_entropy(logits, batch.labels(), 0.0).add(&logits.mul(logits).mean().mul_scalar(0.01)));
//! ```

mod auroc;
mod average_precision;
mod bookmark;
mod checkpoint;
mod confusion;
mod course;
mod diagnosis;
mod error;
mod evaluation;
mod features;
mod fitting_loss;
mod label_scores;
mod learning;
mod lesson;
mod positive_weights;
mod range_test;
mod ranks;
mod score;
mod slots;
mod standard;
mod step;
mod tally;
#[cfg(test)]
mod tests;
mod trainer;
mod value_scores;

use serde::{Deserialize, Serialize};

pub use auroc::auroc;
pub use average_precision::average_precision;
pub use bookmark::Bookmark;
pub use checkpoint::{BEST, LAST};
pub use confusion::Confusion;
pub use course::{Ended, Epoch, Progress, Trained};
pub use diagnosis::Origin;
pub use error::{CheckpointError, CheckpointErrorKind, Difference, TrainError};
pub use evaluation::{Evaluation, Results, Scores, evaluate};
pub use fitting_loss::fitting_loss;
pub use label_scores::{LabelScores, f1};
pub use positive_weights::positive_weights;
pub use range_test::{RangeTest, range_test};
pub use ranks::{Alone, Ranks, RanksError, Together, agree, share};
pub use score::Score;
pub use standard::Standard;
pub use step::{StepGradients, train_step};
pub use trainer::Trainer;
pub use value_scores::{ValueScores, mean_absolute_error, r_squared};

use crate::optim::{Decay, Schedule};

/// The settings of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Number of epochs.
    pub epochs: usize,
    /// Number of images in a step.
    pub batch_size: usize,
    /// Number of images in a [slot](self#slots) of a batch; `None` for whole batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_size: Option<usize>,
    /// Learning rate at the peak of the schedule.
    pub learning_rate: f64,
    /// The learning-rate schedule.
    pub schedule: Schedule,
    /// Share of each target that is spread evenly over all classes, of images or pixels.
    pub label_smoothing: f64,
    /// Limit for the [norm of all gradients](crate::optim::clip_norm) in a step.
    pub clip_norm: Option<f64>,
    /// Decay of the [average of the weights](crate::optim::WeightAverage). The model with the averaged weights is then the
    /// one that is validated and saved.
    pub weight_average: Option<f64>,
    /// Number of epochs without an improved validation after which the training ends.
    pub patience: Option<usize>,
    /// Seed of the order of the images, of augmentation and of dropout.
    pub seed: u64,
}

impl Training {
    /// Checks the ranges of the settings.
    fn check(&self) -> Result<(), TrainError> {
        let number = |setting, found: f64, fits: fn(f64) -> bool, expected| {
            if fits(found) { Ok(()) } else { Err(TrainError::Setting { setting, expected, found }) }
        };
        number("batch_size", self.batch_size as f64, |size| size > 0.0, "at least 1")?;
        if let Some(size) = self.slot_size {
            number("slot_size", size as f64, |size| size > 0.0, "at least 1")?;
        }
        number("learning_rate", self.learning_rate, |rate| (0.0..=f64::MAX).contains(&rate), "a number of at least 0")?;
        number("label_smoothing", self.label_smoothing, |share| (0.0..=1.0).contains(&share), "a share from 0 to 1")?;
        if let Some(norm) = self.clip_norm {
            number("clip_norm", norm, |norm| norm > 0.0, "a norm above 0")?;
        }
        if let Some(decay) = self.weight_average {
            number("weight_average", decay, |decay| (0.0..1.0).contains(&decay), "a decay from 0 to less than 1")?;
        }
        Ok(())
    }
}

/// Ten epochs with batches of 64 images and a learning rate that rises to 0.1 during the first tenth of the steps and falls
/// along a cosine; no slots, label smoothing, clipping, averaging or early end.
impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 64,
            slot_size: None,
            learning_rate: 0.1,
            schedule: Schedule { warmup: 0.1, decay: Decay::Cosine { floor: 0.0 } },
            label_smoothing: 0.0,
            clip_norm: None,
            weight_average: None,
            patience: None,
            seed: 0,
        }
    }
}
