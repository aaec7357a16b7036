//! The networks that are trained.

use std::fmt;
use std::ops::ControlFlow;

use nn::data::Dataset;
use nn::layers::{BatchNorm, Conv2d, Dropout, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::train::{Standard, TrainError, Trained, Trainer};
use nn::zoo::{self, Head, Net};
use nn::{Model, ModelBuilder, ModelInfo, Task};

use crate::program::terminal::Failure;
use crate::program::terminal::interrupt;
use crate::program::terminal::progress::TrainingBar;
use crate::program::training::config::{Config, Network};
use crate::program::training::data::TrainingSet;

/// Builds the configured network.
pub(crate) fn build(config: &Config, images: &dyn Dataset) -> Result<Model, Failure> {
    let network = &config.network;
    let (input, classes) = (images.image_shape(), images.class_names().len());
    let builder = match network.architecture.as_str() {
        _ if images.is_map() => match network.architecture.as_str() {
            "auto" | "u-net" => zoo::u_net(input, classes),
            name => return Err(format!("network.architecture: masks need `u-net`, found `{name}`").into()),
        },
        "u-net" => return Err("network.architecture: `u-net` gives a class for each pixel, and needs masks".into()),
        "auto" | "plain" => plain(network, input, classes),
        name => {
            let known = |_| {
                let zoo = Net::ALL.map(Net::name).join(", ");
                format!("network.architecture: there is no `{name}`; there are auto, plain, u-net, {zoo}")
            };
            let net: Net = name.parse().map_err(known)?;
            net.builder(input, classes, Head::GlobalAvgPool)
        }
    };
    let prepared =
        ModelInfo { normalization: Some(images.statistics()?), crop: config.crop()?, ..ModelInfo::default() };
    let info = meaning(images, prepared);
    started(builder.info(info).build(config.training.seed)?, images)
}

/// A new model that gives the mean of the values, if it is one of values.
pub(crate) fn started(mut model: Model, images: &dyn Dataset) -> Result<Model, Failure> {
    if images.task() == Task::Values {
        Standard::of(images)?.apply(&mut model)?;
    }
    Ok(model)
}

/// The task, the names and the units that the scores of a model of these images have.
pub(crate) fn meaning(images: &dyn Dataset, info: ModelInfo) -> ModelInfo {
    // Several scores without a task are classes.
    let task = (!images.has_classes()).then(|| images.task());
    ModelInfo { classes: images.class_names().to_vec(), task, units: images.units().to_vec(), ..info }
}

/// Convolutions, each with batch norm and ReLU, then global average pooling and one fully connected layer.
fn plain(network: &Network, input: [usize; 3], classes: usize) -> ModelBuilder {
    let mut builder = Model::builder(input);
    for (number, &channels) in (1..).zip(&network.channels) {
        builder = builder
            .layer(format!("conv{number}"), Conv2d::new(channels, 3).without_bias())
            .layer(format!("bn{number}"), BatchNorm::new())
            .layer(format!("relu{number}"), Relu);
        if network.pool_after.contains(&number) {
            builder = builder.layer(format!("pool{number}"), MaxPool::new(2));
        }
    }
    classified(builder.layer("gap", GlobalAvgPool), network.dropout, classes)
}

/// Adds a fully connected layer, with dropout before it if `dropout` isn't 0.
pub(crate) fn classified(builder: ModelBuilder, dropout: f64, classes: usize) -> ModelBuilder {
    let builder = match dropout > 0.0 {
        true => builder.layer("dropout", Dropout { probability: dropout }),
        false => builder,
    };
    builder.layer("fc", Linear::new(classes))
}

/// How a training ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// It finished all steps.
    Finished,
    /// The user asked to stop.
    Stopped { step: usize, steps: usize },
}

impl Ended {
    /// `Ok` if the training finished; otherwise an error that names the file with the network so far.
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

/// Trains with a progress bar until the end or Ctrl-C. Returns the mean loss of each epoch, too.
pub(crate) fn fit(model: &mut Model, config: &Config, data: &TrainingSet<'_>) -> Result<(Ended, Vec<f64>), Failure> {
    let mut bar = TrainingBar::new(config.training.epochs);
    let trainer = Trainer::new(config.training(), config.optimizer()).on_step(|progress, _| {
        bar.show(progress);
        match interrupt::asked() && progress.step < progress.steps {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let Trained { ended, step, steps, history } = fit_to(trainer, model, data)?;
    bar.finish();
    let ended = if ended == nn::train::Ended::Stopped { Ended::Stopped { step, steps } } else { Ended::Finished };
    Ok((ended, history.iter().map(|epoch| epoch.loss).collect()))
}

/// Trains on these images.
pub(crate) fn fit_to(trainer: Trainer<'_>, model: &mut Model, data: &TrainingSet<'_>) -> Result<Trained, TrainError> {
    match data {
        TrainingSet::Fixed(images) => trainer.fit(model, &**images),
        TrainingSet::Scattered { .. } => trainer.fit_epochs(model, |epoch| data.epoch(epoch)),
    }
}
