//! The small network that the program trains, and how.

use std::fmt;
use std::ops::ControlFlow;

use nn::data::LabelledImages;
use nn::optim::{Decay, Schedule, Sgd, SgdSettings};
use nn::train::{Training, train};
use nn::{Layer, Model, ModelError, ModelInfo};

use crate::Failure;
use crate::data::TrainingSet;
use crate::interrupt;
use crate::progress::TrainingBar;

/// Channels of the four convolutions.
const CHANNELS: [usize; 4] = [16, 32, 32, 48];
/// The first of them are followed by max pooling, so that a map of the last has a cell for each 4×4 pixels.
const POOLED: usize = 2;

/// Four times convolution, batch normalisation and ReLU, then global average pooling and one fully connected layer.
pub(crate) fn build(images: &LabelledImages, seed: u64) -> Result<Model, ModelError> {
    let [_, height, width, channels] = images.shape();
    let mut builder = Model::builder([height, width, channels]);
    for (number, channels) in (1..).zip(CHANNELS) {
        builder = builder
            .layer(format!("conv{number}"), Layer::conv(channels, 3).without_bias())
            .layer(format!("bn{number}"), Layer::batch_norm())
            .layer(format!("relu{number}"), Layer::Relu);
        if number <= POOLED {
            builder = builder.layer(format!("pool{number}"), Layer::max_pool(2));
        }
    }
    builder
        .layer("gap", Layer::GlobalAvgPool)
        .layer("fc", Layer::linear(images.class_names().len()))
        .info(ModelInfo {
            classes: images.class_names().to_vec(),
            normalization: Some(images.statistics()),
            ..ModelInfo::default()
        })
        .build(seed)
}

/// The recipe: stochastic gradient descent with Nesterov momentum, a cosine schedule, smoothed labels.
pub(crate) fn recipe(epochs: usize, batch_size: usize, learning_rate: f64, seed: u64) -> Training {
    let schedule = Schedule { warmup: 0.1, decay: Decay::Cosine { floor: 0.0 } };
    Training { epochs, batch_size, learning_rate, schedule, label_smoothing: 0.1, seed }
}

/// How a training ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// All steps were made.
    Finished,
    /// The user asked to stop.
    Stopped { step: usize, steps: usize },
}

impl Ended {
    /// Nothing, or that the training was stopped and where the network so far is.
    pub(crate) fn or_failure(self, file: &std::path::Path) -> Result<(), Failure> {
        match self {
            Self::Finished => Ok(()),
            Self::Stopped { .. } => Err(format!("{self}; the network so far is saved in {}", file.display()).into()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::Stopped { step, steps } => write!(f, "stopped after step {step} of {steps}"),
        }
    }
}

/// Trains with a progress bar, until done or Ctrl-C. Gives the mean loss of each epoch, too.
pub(crate) fn fit(model: &mut Model, training: &Training, data: &TrainingSet) -> Result<(Ended, Vec<f64>), Failure> {
    data.epoch(0)?;
    let mut optimizer = Sgd::with(SgdSettings {
        learning_rate: training.learning_rate,
        momentum: 0.9,
        weight_decay: 5e-4,
        nesterov: true,
    });
    let mut bar = TrainingBar::new(training.epochs);
    let mut ended = Ended::Finished;
    let images = |epoch| data.epoch(epoch).expect("what could be scattered once can be scattered again");
    train(model, &mut optimizer, training, images, |progress, _| {
        bar.show(progress);
        if interrupt::asked() && progress.step < progress.steps {
            ended = Ended::Stopped { step: progress.step, steps: progress.steps };
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok((ended, bar.finish()))
}
