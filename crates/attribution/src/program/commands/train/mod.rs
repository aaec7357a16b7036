//! `glassbox train`.

mod arguments;
mod chart;
mod film;
pub(crate) mod log;
mod records;
mod report;
mod results;

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use nn::data::{Augmentation, Batch, Dataset, Loader, Targets};
use nn::files::remove_parts;
use nn::layers::{Apply, Softmax};
use nn::losses::{cross_entropy, dice_loss, huber_error};
use nn::train::{
    Alone, BEST, Ended, Evaluation, LAST, Ranks, Results, StepGradients, TrainError, Trainer, evaluate, fitting_loss,
    positive_weights, range_test,
};
use nn::{Model, Task};
use tensor::simd::{Tier, tier};
use tensor::{Tensor, Var};

pub(crate) use arguments::TrainArgs;
use records::Records;

use crate::program::files::folder::{self, write};
use crate::program::report::{self as html, PAGE};
use crate::program::terminal::progress::{TrainingBar, minutes};
use crate::program::terminal::{Failure, Stopped, interrupt, say};
use crate::program::training::config::{self, Config, Loss};
use crate::program::training::data::{self, Opened, Sets};
use crate::program::training::{network, transfer};

/// The file with the settings, in the folder of the training.
pub(crate) const RUN: &str = "run.toml";
/// The folder for the film strip.
const FILM: &str = "film";
/// The trained network.
pub(crate) const MODEL: &str = "model.safetensors";
/// The range test's smallest and largest rate, and its number of steps.
const RANGE: ([f64; 2], usize) = ([1e-5, 10.0], 150);
/// Number of steps that are timed for the estimate, after one for warm-up.
const TIMED: usize = 4;

/// What a command does with the network and the data of its settings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Describes them.
    DryRun,
    /// Looks for a learning rate.
    FindRate,
    Train {
        resume: bool,
    },
}

/// Trains, tests and saves a network.
pub(crate) fn run(args: &TrainArgs, ranks: &dyn Ranks) -> Result<(), Failure> {
    if args.template {
        say!("{}", config::TEMPLATE.trim_end());
        return Ok(());
    }
    let (config, resume) = args.config()?;
    let purpose = match (args.dry_run, args.find_rate) {
        (true, _) => Purpose::DryRun,
        (_, true) => Purpose::FindRate,
        _ => Purpose::Train { resume },
    };
    run_for(purpose, config, |is_divided| args.held_out(is_divided), ranks)
}

/// Trains, tests and saves a network with these settings, or resumes its training.
pub(crate) fn run_with(config: Config, resume: bool) -> Result<(), Failure> {
    run_for(Purpose::Train { resume }, config, |_| None, &Alone)
}

/// `held_out`, given whether the data is divided, returns the share of pictures for the test, or `None` to keep the settings'.
fn run_for(
    purpose: Purpose,
    mut config: Config,
    held_out: impl FnOnce(bool) -> Option<f64>,
    ranks: &dyn Ranks,
) -> Result<(), Failure> {
    let start = transfer::start(&config.network)?;
    let opened = data::open(&config, start.as_ref())?;
    if let Some(share) = held_out(opened.is_divided()) {
        config.data.test = share;
    }
    check_loss(&config, &opened)?;
    let sets = opened.sets(&config)?;
    let images = sets.training.epoch(0)?;
    let model = match &start {
        Some(start) => transfer::with_new_head(start, &config, &*images)?,
        None => network::build(&config, &*images)?,
    };
    let (count, [height, width, _]) = (images.len(), images.image_shape());
    let (parameters, truths) = (model.summary().parameters, truths(&*images));
    if purpose == Purpose::DryRun {
        say!("{}\n", model.summary());
        describe("for training", &*images);
        sets.validation.iter().for_each(|images| describe("for validation", &**images));
        sets.test.iter().for_each(|images| describe("for the test", &**images));
        return estimate(&config, &model, &*images, sets.chosen_by());
    }
    let out = &config.output.folder;
    let Purpose::Train { resume } = purpose else {
        folder::prepare(out)?;
        return find_rate(&config, &model, &*images);
    };
    let settings = toml::to_string(&config)?;
    agree(ranks, &config, &settings, &*images)?;
    interrupt::listen()?;
    if ranks.rank() > 0 {
        drop(images);
        return train(&config, model, &sets, resume, ranks);
    }
    folder::prepare(out)?;
    html::refuse_another(out, "train")?;
    let trained = (model.parameters().iter().enumerate()).filter(|&(index, _)| model.is_trained(index));
    let trained: usize = trained.map(|(_, parameter)| parameter.value.len()).sum();
    let frozen =
        if transfer::freezes(&config.network) { format!(", {trained} of them trained") } else { String::new() };
    say!("{count} training images of {height}×{width} {truths}; a network of {parameters} parameters{frozen}");
    if opened.is_divided() {
        let size = |images: &Option<Box<dyn Dataset + '_>>| images.as_ref().map_or(0, |images| images.len());
        let (validation, test) = (size(&sets.validation), size(&sets.test));
        say!("The data is divided: {count} images for training, {validation} for validation, {test} for the test");
    }
    if ranks.count() > 1 {
        let (ranks, size) = (ranks.count(), config.training.slot_size);
        say!(
            "{ranks} ranks share slots of {size} images; the weights are those of one process with such slots, bit for bit"
        );
    }
    drop(images);
    if !resume {
        // Removes an earlier training's results, so that none of them is mistaken for this one's.
        [LAST, BEST, MODEL, PAGE].iter().for_each(|file| drop(fs::remove_file(out.join(file))));
    }
    for folder in [out.clone(), out.join(FILM)].into_iter().filter(|folder| folder.is_dir()) {
        remove_parts(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    write(&out.join(RUN), &settings)?;
    train(&config, model, &sets, resume, ranks)
}

/// Checks that all ranks have the same settings and data, and a slot each, before anything is written.
fn agree(ranks: &dyn Ranks, config: &Config, settings: &str, images: &dyn Dataset) -> Result<(), Failure> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let data = format!("{} {:?} {:?}", images.len(), images.image_shape(), images.class_names());
    let instructions = format!("{} {:?}", tier() == Tier::Portable, std::env::var_os("GLASSBOX_WINOGRAD"));
    let version = env!("CARGO_PKG_VERSION");
    nn::train::agree(
        ranks,
        &[
            ("version", version),
            ("settings", settings),
            ("data", &data),
            ("kernels (GLASSBOX_SIMD, GLASSBOX_WINOGRAD)", &instructions),
        ],
    )?;
    Ok(config.training().check_ranks(ranks.count(), images.len())?)
}

fn train(config: &Config, mut model: Model, sets: &Sets<'_>, resume: bool, ranks: &dyn Ranks) -> Result<(), Failure> {
    let out = &config.output.folder;
    let mut records = (ranks.rank() == 0).then(|| Records::open(config, sets, resume)).transpose()?;
    let mut bar = TrainingBar::new(config.training.epochs);
    let (began, mut failed) = (Instant::now(), None);
    let keep = |result: Result<(), Failure>, failed: &mut Option<Failure>| match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *failed = Some(error);
            ControlFlow::Break(())
        }
    };
    let shared = std::cell::RefCell::new((&mut records, &mut bar, &mut failed));
    let mut trainer = Trainer::new(config.training(), config.optimizer())
        .augmentation(config.augmentation.clone())
        .checkpoints(out)
        .checkpoint_every(Duration::from_secs(config.output.checkpoint_seconds))
        .among(ranks)
        .on_step(|progress, _| {
            let (records, bar, failed) = &mut *shared.borrow_mut();
            bar.show(progress);
            let written = records.as_mut().map_or(Ok(()), |records| records.step(progress));
            if interrupt::asked() && progress.step < progress.steps {
                return ControlFlow::Break(());
            }
            keep(written, failed)
        })
        .on_epoch(|epoch, model| {
            let (records, bar, failed) = &mut *shared.borrow_mut();
            bar.epoch(epoch);
            let written = records.as_mut().map_or(Ok(()), |records| records.epoch(epoch, model));
            keep(written, failed)
        });
    if config.data.balanced {
        let images = sets.training.epoch(0)?;
        trainer = match images.task() {
            Task::Labels => trainer.positive_weights(positive_weights(&*images)?),
            Task::Classes if images.has_classes() => trainer.class_weights(images.class_weights()),
            _ => return Err("data.balanced: only classes of images and labels can be balanced".into()),
        };
    }
    trainer = match config.training.loss {
        Loss::Fitting => trainer,
        Loss::Huber => trainer.loss(huber),
        Loss::Dice => {
            let smoothing = config.training.label_smoothing;
            trainer.loss(move |scores, batch| dice(scores, batch, smoothing))
        }
    };
    if let Some(images) = sets.chosen_by() {
        trainer = trainer.validation(images);
    }
    if transfer::freezes(&config.network) {
        trainer = trainer.keep_features(config.network.features_mb.saturating_mul(1 << 20));
    }
    if resume {
        trainer = trainer.resume();
    }
    let trained = network::fit_to(trainer, &mut model, &sets.training);
    bar.finish();
    let trained = trained.map_err(|error| match error {
        TrainError::Data(_) | TrainError::Checkpoint(_) | TrainError::Best(_) => resumable(&error, out),
        _ => error.into(),
    })?;
    if let Some(failed) = failed {
        return Err(resumable(&*failed, out));
    }
    if trained.ended == Ended::Stopped {
        let (step, steps, folder) = (trained.step, trained.steps, out.display());
        let line = format!(
            "stopped after step {step} of {steps}; everything is saved; resume with `glassbox train --resume {folder}`"
        );
        return Err(Stopped(line).into());
    }
    let Some(records) = records else { return Ok(()) };
    model.save(out.join(MODEL))?;
    if let (Ended::Patience, Some(best)) = (trained.ended, trained.best()) {
        say!("No improvement for {} epochs: the best epoch was {}", config.training.patience, best.epoch + 1);
    }
    say!("Trained in {}", minutes(began.elapsed()));
    let tested = match sets.test.as_deref().or(sets.chosen_by()) {
        Some(test) => Some((evaluate(&model, test)?, test.len())),
        None => None,
    };
    if let Some((evaluation, images)) = &tested {
        tell(evaluation, *images, out)?;
    }
    let tested = tested.as_ref().map(|(evaluation, images)| (evaluation, *images));
    let page = report::write(config, &model, &trained, &*sets.training.epoch(0)?, tested, records.film())?;
    say!("The network is in {}; open {} for its training", out.join(MODEL).display(), page.display());
    Ok(())
}

/// The error, followed by how to resume after its cause is fixed, if there is a checkpoint.
fn resumable(error: &dyn Error, out: &Path) -> Failure {
    match out.join(LAST).exists() {
        true => {
            let folder = out.display();
            format!(
                "{error}; the last checkpoint is intact: fix this, then resume with `glassbox train --resume {folder}`"
            )
            .into()
        }
        false => error.to_string().into(),
    }
}

/// Huber's error of values in standard deviations.
fn huber(scores: &Var<f32>, batch: &Batch) -> Var<f32> {
    let Targets::Values(values) = &batch.targets else { unreachable!("checked before the training") };
    huber_error(scores, values, 1.0)
}

/// The per-pixel cross-entropy and the Dice loss.
fn dice(scores: &Var<f32>, batch: &Batch, smoothing: f64) -> Var<f32> {
    let Targets::Map(pixels) = &batch.targets else { unreachable!("checked before the training") };
    let mut wanted = Tensor::zeros(*scores.shape());
    let classes = scores.shape()[3];
    wanted.make_mut().chunks_exact_mut(classes).zip(pixels).for_each(|(row, &class)| row[class] = 1.0);
    cross_entropy(scores, pixels, smoothing).add(&dice_loss(&scores.apply(Softmax), &wanted))
}

/// Refuses a loss that doesn't fit the images, before anything is written.
fn check_loss(config: &Config, opened: &Opened) -> Result<(), Failure> {
    match config.training.loss {
        Loss::Huber if opened.task() != Task::Values => Err("training.loss: \"huber\" is for values".into()),
        Loss::Dice if !opened.is_map() => Err("training.loss: \"dice\" is for masks".into()),
        _ => Ok(()),
    }
}

/// The kind of the images' truths, in a few words: `in 3 classes`.
fn truths(images: &dyn Dataset) -> String {
    let names = images.class_names().join(", ");
    match (images.task(), images.is_map()) {
        (_, true) => format!("with masks of {names}"),
        (Task::Labels, _) => format!("with the labels {names}"),
        (Task::Values, _) => format!("with the values {names}"),
        _ => format!("in {} classes", images.class_names().len()),
    }
}

/// Prints the results of the test, and writes the confusion matrix if there is one.
fn tell(evaluation: &Evaluation, images: usize, out: &Path) -> Result<(), Failure> {
    let others = match &evaluation.results {
        Results::Classes { top, .. } => {
            let others = top.iter().enumerate().skip(1).map(|(index, share)| format!("top-{} {share:.4}", index + 1));
            format!("; {}", others.collect::<Vec<_>>().join(", "))
        }
        Results::Map(confusion) => {
            format!("; share of the pixels that are right {:.4}", confusion.accuracy().unwrap_or(0.0))
        }
        Results::Labels(_) | Results::Values(_) => String::new(),
    };
    say!("Test {} on {images} images{others}", evaluation.score());
    say!("{}", results::lines(&evaluation.results));
    if let Some(confusion) = evaluation.confusion() {
        write(&out.join("confusion.csv"), &confusion.to_csv())?;
        write(&out.join("confusion.svg"), &chart::confusion(confusion)?)?;
    }
    Ok(())
}

/// Prints a data set on one line, with the number of images of each class.
fn describe(what: &str, images: &dyn Dataset) {
    let (count, [height, width, channels]) = (images.len(), images.image_shape());
    let of = match images.has_classes() {
        true => {
            let of = images.class_names().iter().zip(images.class_counts());
            of.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        }
        false => truths(images),
    };
    say!("{count} images {what}, {height}×{width}×{channels}: {of}");
}

/// Times a few steps on a copy of the network, and prints an estimate of the training time.
fn estimate(config: &Config, model: &Model, images: &dyn Dataset, test: Option<&dyn Dataset>) -> Result<(), Failure> {
    let (training, mut copy, mut optimizer) = (config.training(), model.clone(), config.optimizer());
    let normalization = model.info().normalization.clone().ok_or("the network has no normalization")?;
    let loader = Loader::new(images, &normalization, training.batch_size).shuffled(training.seed);
    let mut seconds = Vec::new();
    loader.epoch(0, 0, |batches| {
        for batch in batches.take(1 + TIMED) {
            let (batch, began) = (batch?, Instant::now());
            let Batch { images, targets } = batch;
            let loss = |scores: &Var<f32>| fitting_loss(scores, &targets, training.label_smoothing, None);
            StepGradients::compute(&copy, images, 0, loss)?.apply(&mut copy, &mut *optimizer);
            seconds.push(began.elapsed().as_secs_f64());
        }
        Ok::<(), Failure>(())
    })?;
    let timed = if seconds.len() > 1 { &seconds[1..] } else { &seconds[..] };
    let step = timed.iter().sum::<f64>() / timed.len() as f64;
    // A forward pass is about a third of a step.
    let tested = test.map_or(0.0, |test| test.len() as f64 / training.batch_size as f64 * step / 3.0);
    let kept = transfer::freezes(&config.network) && config.augmentation == Augmentation::default();
    let epochs = if kept { 1 } else { training.epochs };
    let total = epochs as f64 * (loader.batches() as f64 * step + tested);
    let (steps, rate) = (training.epochs.saturating_mul(loader.batches()), training.batch_size as f64 / step);
    let time = minutes(Duration::from_secs_f64(total));
    let first = if kept { " for the first epoch; the others are much faster" } else { "" };
    say!(
        "\n{} epochs, {steps} steps, about {rate:.0} images/s: about {time} (minutes:seconds){first}",
        training.epochs
    );
    Ok(())
}

/// The learning-rate range test.
fn find_rate(config: &Config, model: &Model, images: &dyn Dataset) -> Result<(), Failure> {
    let (rates, steps) = RANGE;
    let found = range_test(model, &mut *config.optimizer(), &config.training(), images, rates, steps)?;
    let picture = config.output.folder.join("rates.svg");
    write(&picture, &chart::range(&found.losses)?)?;
    let Some(suggestion) = found.suggestion() else { return Err("the loss diverged at the smallest rate".into()) };
    say!(
        "The loss falls up to a rate of about {:.2e}; a third of that, {suggestion:.2e}, is a good peak",
        3.0 * suggestion
    );
    say!("The loss over the rate is drawn in {}", picture.display());
    Ok(())
}
