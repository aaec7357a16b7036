//! The command line of `glassbox train`: a file of settings, and flags that override it.

use std::path::PathBuf;

use clap::Args;

use super::RUN;
use crate::program::terminal::Failure;
use crate::program::terminal::values::{positive, rate};
use crate::program::training::config::{Config, Source};
use crate::program::training::data::Embedded;

/// Default share of a folder's pictures that are held out for the test.
const HELD_OUT: f64 = 0.2;
/// Default learning rate of a new head. It is small because a head has many large inputs.
const HEAD_RATE: f64 = 0.02;

/// Train a network and save it
///
/// Settings come from a TOML file (`--config`; `--template` prints a commented one). Flags override the file. The
/// default is a small network, suited to explanations, that learns to recognise garments among clutter.
///
/// Ctrl-C stops after the current step, saves everything, and prints how to resume. A resumed training gives the same
/// bits as one that was never interrupted, even if the program was killed.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox train --template > run.toml                 every setting, with comments\n  \
    glassbox train --config run.toml --dry-run           the network, the data, an estimate of the time\n  \
    glassbox train --config run.toml --epochs 20\n  \
    glassbox train --resume glassbox-train               resume after an interruption\n  \
    glassbox train --data fashion-mnist --out garments\n  \
    glassbox train --folder pets --start efficientnet-lite0 --out pets-net    a folder of pictures for each class\n  \
    glassbox train --csv findings.csv --out findings     labels or values, as its header and columns say\n  \
    glassbox train --folder photos --masks masks --out outlines    a class for each pixel\n  \
    glassbox train --images train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz \\\n      \
        --test-images t10k-images-idx3-ubyte.gz --test-labels t10k-labels-idx1-ubyte.gz --out digits")]
pub(crate) struct TrainArgs {
    /// File of settings (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Resume the training in this folder, with the settings in its run.toml
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "data", "images", "folder", "csv", "start", "epochs", "batch", "slot", "rate", "seed", "out"])]
    resume: Option<PathBuf>,

    /// Print a commented file of settings, and exit
    #[arg(long)]
    pub(super) template: bool,

    /// Show the network, the data and an estimate of the training time, and exit
    #[arg(long, conflicts_with = "find_rate")]
    pub(super) dry_run: bool,

    /// Try learning rates from small to large on a copy of the network, suggest one, and exit
    #[arg(long)]
    pub(super) find_rate: bool,

    /// Embedded images: 6000 for training, 1000 for the test
    #[arg(long, value_enum, conflicts_with = "images")]
    data: Option<Embedded>,

    /// Pictures from a folder that contains a folder for each class, or such folders in `train` and `val` or `test`; if it
    /// isn't divided, a fifth of each class are held out for the test, unless the file of settings sets another share
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "images"])]
    folder: Option<PathBuf>,

    /// Masks of the pictures in --folder: PNG files of the same names and sizes, whose values or palette are the classes of
    /// the pixels, or 0 and 255
    #[arg(long, value_name = "DIR", requires = "folder")]
    masks: Option<PathBuf>,

    /// Pictures from a CSV file with a header: `file,class`, `file,scratch,dent` (labels, 0 or 1) or `file,age [years]`
    /// (values); paths are relative to its folder, and a column `split` may divide them into train, val and test
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "images", "folder"])]
    csv: Option<PathBuf>,

    /// What the columns of the CSV file are [default: what they look like]
    #[arg(long, value_name = "TASK", value_parser = ["classes", "labels", "values"])]
    task: Option<String>,

    /// Start from this network and train only a new last layer: efficientnet-lite0, which is built in, or a file
    /// (.safetensors, .onnx)
    #[arg(long, value_name = "NAME|FILE")]
    start: Option<String>,

    /// Training images from a file: IDX, bytes, [N, H, W], plain or gzip
    #[arg(long, value_name = "FILE", requires = "labels")]
    images: Option<PathBuf>,

    /// Labels of the training images: IDX, bytes
    #[arg(long, value_name = "FILE", requires = "images")]
    labels: Option<PathBuf>,

    /// Test images: IDX
    #[arg(long, value_name = "FILE", requires = "images", requires = "test_labels")]
    test_images: Option<PathBuf>,

    /// Labels of the test images: IDX
    #[arg(long, value_name = "FILE", requires = "test_images")]
    test_labels: Option<PathBuf>,

    /// Class names for IDX files or masks, in the order of their numbers [default: the numbers]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    class_names: Option<Vec<String>>,

    /// Number of epochs
    #[arg(long, value_name = "N", value_parser = positive)]
    epochs: Option<usize>,

    /// Number of images in a step
    #[arg(long, value_name = "N", value_parser = positive)]
    batch: Option<usize>,

    /// Number of images in a slot, a part of a batch whose gradient is computed separately. Slots take less memory and let
    /// several ranks share a batch; batch norm sees a slot instead of the batch [default: whole batches]
    #[arg(long, value_name = "N", value_parser = positive)]
    slot: Option<usize>,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<f64>,

    /// Seed for all random draws: weights, order, and the positions and clutter of the scattered images
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Folder for the network, checkpoints, log and curves; created if missing
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl TrainArgs {
    /// The settings, and whether to resume.
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
        }
        set(&mut data.masks, &self.masks);
        if let Some(csv) = &self.csv {
            (data.source, data.csv) = (Source::Csv, csv.clone());
        }
        set(&mut data.task, &self.task);
        set(&mut data.class_names, &self.class_names);
        if let (Some(_), None) = (&self.start, &self.config) {
            config.training.learning_rate = HEAD_RATE;
        }
        set(&mut config.network.start, &self.start);
        set(&mut config.training.epochs, &self.epochs);
        set(&mut config.training.batch_size, &self.batch);
        set(&mut config.training.slot_size, &self.slot);
        set(&mut config.training.learning_rate, &self.rate);
        set(&mut config.training.seed, &self.seed);
        set(&mut config.output.folder, &self.out);
        config.check()?;
        Ok((config, false))
    }

    /// The share of pictures for the test that the command line stands for, if it names pictures that aren't divided.
    pub(super) fn held_out(&self, is_divided: bool) -> Option<f64> {
        let pictures = self.folder.is_some() || self.csv.is_some();
        (pictures && self.config.is_none() && !is_divided).then_some(HELD_OUT)
    }
}

fn set<T: Clone>(field: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        field.clone_from(value);
    }
}
