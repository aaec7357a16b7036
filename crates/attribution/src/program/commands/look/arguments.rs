//! The command line of `glassbox look`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::program::files::model::ModelArgs;
use crate::program::terminal::Failure;
use crate::program::terminal::values::positive;

/// Extensions of networks' files.
const NETWORKS: [&str; 2] = ["safetensors", "onnx"];

/// See what the units of a network look for
///
/// Writes a report, index.html. It shows the filters of the first layer and the feature maps of the first picture. For each
/// channel it shows the pictures that activate it most, cut to the unit's receptive field; below each, guided backpropagation
/// and the deconvnet of the unit; and a picture made by activation maximisation. The default network, EfficientNet-Lite0, is
/// built in.
///
/// Ctrl-C stops early and writes the results so far.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox look photos/                                the built-in network, some channels at four depths\n  \
    glassbox look garments.safetensors garments/ --layer relu2,relu4 --per-layer 16\n  \
    glassbox look resnet18.onnx photos/ --target layer3.0.relu:17 --patches 16\n  \
    glassbox look --target \"Egyptian cat\" --target espresso --steps 256\n  \
    glassbox look photos/ --steps 0 --json | jq '.channels[].pictures[0].picture'\n\n\
    With --json: an object with report (the page); pictures, their number; channels, a list of {unit, inactive, \
    receptive_field, pictures, made}; and targets, a list of {target, made}. inactive is true if no picture activates the \
    channel. pictures is a list of {picture, cell, value, box}, strongest first: cell is [row, column], and box is the visible \
    part of the unit's receptive field, [left, top, right, bottom] in pixels of the network's input. made is {before, after}, \
    the score of the noise at the start and of the finished picture, or null; the score of a channel is the sum of its cells.")]
pub(crate) struct LookArgs {
    /// The network's file (.safetensors, .onnx), and pictures or folders of pictures, as `glassbox explain` takes them
    #[arg(value_name = "MODEL|IMAGE|FOLDER")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    network: ModelArgs,

    /// Layers whose channels are shown [default: four activations, from the first to the last; for one with an upper limit,
    /// such as ReLU6, the layer before it, since many pictures reach the limit]
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',')]
    pub(super) layer: Option<Vec<String>>,

    /// Show only this target. For a channel, LAYER:CHANNEL, the report shows the pictures that activate it. For another unit,
    /// LAYER:CHANNEL:ROW,COLUMN or LAYER:*:ROW,COLUMN, and for a class, it shows only a picture made for it. Repeat for several
    #[arg(
        short,
        long,
        visible_alias = "class",
        visible_short_alias = 'c',
        value_name = "TARGET",
        conflicts_with = "layer"
    )]
    pub(super) target: Vec<String>,

    /// Number of channels shown of each layer: the first ones that a picture activates
    #[arg(long, value_name = "N", default_value = "8", value_parser = positive, conflicts_with = "target")]
    pub(super) per_layer: usize,

    /// Number of pictures shown for each channel [default: 9, or all if there are fewer]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) patches: Option<usize>,

    /// Number of steps of activation maximisation; 0 makes no pictures
    #[arg(long, value_name = "N", default_value = "64")]
    pub(super) steps: usize,

    /// Seed of activation maximisation
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) seed: u64,

    /// Look at only the first N pictures; those of a folder are sorted by name
    #[arg(short = 'n', long, value_name = "N", value_parser = positive)]
    pub(super) limit: Option<usize>,

    /// Output folder; created if missing, refused if it contains another command's report
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-look")]
    pub(super) out: PathBuf,

    /// Print the results as JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl LookArgs {
    /// The network, and the pictures and folders.
    pub(super) fn parts(&self) -> Result<(ModelArgs, &[PathBuf]), Failure> {
        let (mut network, paths) = (self.network.clone(), &self.paths[..]);
        match (paths, &network.model) {
            ([file, ..], Some(model)) if is_network(file) => {
                Err(format!("{}: the network is {} already (--model)", file.display(), model.display()).into())
            }
            ([file, pictures @ ..], None) if is_network(file) => {
                network.model = Some(file.clone());
                Ok((network, pictures))
            }
            _ => Ok((network, paths)),
        }
    }
}

fn is_network(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    !path.is_dir() && ending.is_some_and(|ending| NETWORKS.contains(&ending.as_str()))
}
