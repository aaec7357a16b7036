//! The command line of `glassbox train`: a file of settings, and flags over it.

use std::path::PathBuf;

use clap::Args;

use super::RUN;
use crate::terminal::Failure;
use crate::terminal::values::{positive, rate};
use crate::training::config::{Config, Source};
use crate::training::data::Embedded;

/// Share of a folder's pictures that are tested with where nothing else is said.
const HELD_OUT: f64 = 0.2;
/// Learning rate of a new head where nothing else is said: its inputs are many, and large.
const HEAD_RATE: f64 = 0.02;

/// Train a network and save it
///
/// What to train, on what and how stands in a file (--config; --template prints one with every field explained), and flags
/// go before it. Without either, a small network made to be explained learns to find garments among clutter.
///
/// Ctrl-C ends the step, saves everything, and says how to go on. A training that was stopped or killed at any moment ends
/// with the same bits as one that was not.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox train --template > run.toml                 every field, with what it means\n  \
    glassbox train --config run.toml --dry-run           the network, the data, how long it would take\n  \
    glassbox train --config run.toml --epochs 20\n  \
    glassbox train --resume glassbox-train               go on where it was stopped\n  \
    glassbox train --data fashion-mnist --out garments\n  \
    glassbox train --folder pets --start efficientnet-lite0 --out pets-net    a folder of pictures for each class\n  \
    glassbox train --images train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz \\\n      \
        --test-images t10k-images-idx3-ubyte.gz --test-labels t10k-labels-idx1-ubyte.gz --out digits")]
pub(crate) struct TrainArgs {
    /// File of settings (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Go on with the training in this folder, as its run.toml says
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "data", "images", "folder", "start", "epochs", "batch", "rate", "seed", "out"])]
    resume: Option<PathBuf>,

    /// Print a file of settings with every field explained, and end
    #[arg(long)]
    pub(super) template: bool,

    /// Show the network, the data and how long the training would take, and end
    #[arg(long, conflicts_with = "find_rate")]
    pub(super) dry_run: bool,

    /// Try learning rates from small to large on a copy of the network, suggest one, and end
    #[arg(long)]
    pub(super) find_rate: bool,

    /// Embedded images: 6000 to train on, 1000 to test with
    #[arg(long, value_enum, conflicts_with = "images")]
    data: Option<Embedded>,

    /// Pictures of your own: a folder with a folder for each class; a fifth of each are kept to test with unless the file
    /// of settings says otherwise
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "images"])]
    folder: Option<PathBuf>,

    /// A network to start from, of which only a new last layer learns: efficientnet-lite0, which is in the program, or a file
    /// (.safetensors, .onnx)
    #[arg(long, value_name = "NAME|FILE")]
    start: Option<String>,

    /// Training images of your own: an IDX file of bytes, [N, H, W], plain or gzip
    #[arg(long, value_name = "FILE", requires = "labels")]
    images: Option<PathBuf>,

    /// Their labels: an IDX file of bytes, one for each image
    #[arg(long, value_name = "FILE", requires = "images")]
    labels: Option<PathBuf>,

    /// Test images, an IDX file
    #[arg(long, value_name = "FILE", requires = "images", requires = "test_labels")]
    test_images: Option<PathBuf>,

    /// Their labels, an IDX file
    #[arg(long, value_name = "FILE", requires = "test_images")]
    test_labels: Option<PathBuf>,

    /// Names of the classes in an IDX file, in the order of the labels [default: their numbers]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "images")]
    class_names: Option<Vec<String>>,

    /// Training epochs
    #[arg(long, value_name = "N", value_parser = positive)]
    epochs: Option<usize>,

    /// Images in a step
    #[arg(long, value_name = "N", value_parser = positive)]
    batch: Option<usize>,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<f64>,

    /// Seed of everything random: weights, order, and the places and clutter of the scattered images
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Folder for the network, checkpoints, log and curves; made if missing
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl TrainArgs {
    /// What is to be trained, and whether it goes on.
    pub(super) fn config(&self) -> Result<(Config, bool), Failure> {
        if let Some(folder) = &self.resume {
            let mut config = Config::open(&folder.join(RUN))?;
            // The folder may have been moved.
            config.output.folder.clone_from(folder);
            return Ok((config, true));
        }
        let mut config = match &self.config {
            Some(path) => Config::open(path)?,
            None => Config::default(),
        };
        let data = &mut config.data;
        match self.data {
            Some(Embedded::FashionMnist) => data.source = Source::FashionMnist,
            Some(Embedded::Scattered) => data.source = Source::Scattered,
            None => {}
        }
        if let (Some(images), Some(labels)) = (&self.images, &self.labels) {
            data.source = Source::Idx;
            (data.images, data.labels) = (images.clone(), labels.clone());
            (data.test_images, data.test_labels) = Default::default();
        }
        if let (Some(images), Some(labels)) = (&self.test_images, &self.test_labels) {
            (data.test_images, data.test_labels) = (images.clone(), labels.clone());
        }
        if let Some(folder) = &self.folder {
            (data.source, data.folder) = (Source::Folder, folder.clone());
            if self.config.is_none() {
                data.test = HELD_OUT;
            }
        }
        set(&mut data.class_names, &self.class_names);
        if let (Some(_), None) = (&self.start, &self.config) {
            config.training.learning_rate = HEAD_RATE;
        }
        set(&mut config.network.start, &self.start);
        set(&mut config.training.epochs, &self.epochs);
        set(&mut config.training.batch_size, &self.batch);
        set(&mut config.training.learning_rate, &self.rate);
        set(&mut config.training.seed, &self.seed);
        set(&mut config.output.folder, &self.out);
        Ok((config, false))
    }
}

fn set<T: Clone>(field: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        field.clone_from(value);
    }
}
