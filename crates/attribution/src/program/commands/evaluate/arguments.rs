//! The command line of `glassbox evaluate`.

use std::path::PathBuf;

use attribution::measures::{ALL, Measure};
use clap::{ArgGroup, Args};

use crate::program::commands::methods;
use crate::program::files::model::Preprocessing;
use crate::program::files::shards::Shard;
use crate::program::terminal::values::positive;
use crate::program::training::data::Embedded;

/// Measure the quality of explanations over many images
///
/// Runs methods over images of known classes and measures their maps. Do the maps show where the object is, if its true
/// box or mask is known? Does the network agree? Do the maps depend on the class and on the
/// weights? Two trivial maps are measured for comparison: a Gaussian in the middle of the picture, and random pixels.
/// For each class, the report also shows the mean map, the pictures explained best and worst, and clusters of maps. It names
/// each cluster that looks like a shortcut: a place off the objects, such as a mark in a corner, that explains one class alone.
/// Prints tables with 95 % intervals, and writes evaluation.csv, evaluation.json, evaluation.svg and a report with the
/// tables and the first pictures, index.html.
///
/// The same seed gives the same figures. Ctrl-C stops after the current batch, then the figures so far are printed and
/// written.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox evaluate                                    the network of `glassbox demo`\n  \
    glassbox evaluate --method grad-cam,guided-backprop --measure pointing,random --limit 1000\n  \
    glassbox evaluate --model digits.safetensors --test-images t10k-images-idx3-ubyte.gz \\\n      \
        --test-labels t10k-labels-idx1-ubyte.gz\n  \
    glassbox evaluate --model pets.onnx --folder pets --boxes pets.json\n  \
    glassbox evaluate --model pets.onnx --csv pets.csv --masks masks --maps others/\n  \
    glassbox evaluate --model garments.onnx --data fashion-mnist --mean 0.286 --std 0.353\n  \
    glassbox evaluate --shard 3/8; glassbox merge glassbox-evaluate    the third of eight parts; when all are there, the result\n  \
    glassbox evaluate --json | jq '.figures[\"grad-cam\"].pointing.mean'\n\n\
    With --json: an object with version, simd, model, data, images, seed, level, accuracy; figures by method and \
    measure, each with mean, low and high (the ends of the interval at that level); cascade, a list of layer, \
    rank_correlation and ssim by method; agreement, the rank correlation for each pair of methods; classes, if the \
    objects' places are known: the method and for each class images, energy, share, looks_at and the worst pictures; glance: \
    the method, shortcuts, a list of {class, images, of, place, elsewhere, others, p}, and for each class the numbers of pictures \
    in its clusters of maps.")]
#[command(group = ArgGroup::new("files").args(["folder", "csv"]))]
pub(crate) struct EvaluateArgs {
    /// The network: a file saved by `glassbox train`, or an ONNX file
    #[arg(long, value_name = "FILE", default_value = "glassbox-out/model.safetensors")]
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) preprocessing: Preprocessing,

    /// Methods, separated by commas, with settings in parentheses [default: those that take at most one backward pass]
    #[arg(short, long, value_name = "METHOD,…", value_parser = methods::list, long_help = methods::help_quick())]
    pub(crate) method: Vec<methods::List>,

    /// Measures, separated by commas [default: all that the images allow]
    #[arg(long, value_name = "MEASURE,…", value_delimiter = ',', value_parser = measure, long_help = measures())]
    pub(crate) measure: Option<Vec<&'static Measure>>,

    /// Layer for methods that explain a layer; the mean of the maps if several are given [default: the last layer with
    /// positions]
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) layer: Option<Vec<String>>,

    /// Embedded data set; its 1000 test images are used
    #[arg(long, value_enum, default_value = "scattered", conflicts_with_all = ["test_images", "folder", "csv"])]
    pub(crate) data: Embedded,

    /// Images from a file: IDX, bytes, [N, H, W], plain or gzip
    #[arg(long, value_name = "FILE", requires = "test_labels")]
    pub(crate) test_images: Option<PathBuf>,

    /// Pictures in subfolders, one for each class and named after it. If the folder is divided into train, val and test, the
    /// part `test` is used, or `val` if there is none
    #[arg(long, value_name = "DIR", conflicts_with = "test_images")]
    pub(crate) folder: Option<PathBuf>,

    /// Pictures in a list: a CSV file with the header file,label, and paths relative to it
    #[arg(long, value_name = "FILE", conflicts_with = "test_images")]
    pub(crate) csv: Option<PathBuf>,

    /// True boxes of the objects in these pictures: a CSV file with the header file,x0,y0,x1,y1 or
    /// file,x0,y0,x1,y1,class, a JSON file of COCO, or a folder of Pascal VOC's XML files. Boxes of classes other than
    /// the picture's are ignored
    #[arg(long, value_name = "FILE|DIR", requires = "files", conflicts_with = "masks")]
    pub(crate) boxes: Option<PathBuf>,

    /// True masks of the objects in these pictures: a folder of pictures with the same names and sizes, black where there
    /// is no object
    #[arg(long, value_name = "DIR", requires = "files")]
    pub(crate) masks: Option<PathBuf>,

    /// Maps of these pictures that were made elsewhere, to be measured as a method: a folder of NAME.npy or
    /// NAME.CLASS.npy, f32 or f64, [h, w], each covering the network's input
    #[arg(long, value_name = "DIR", requires = "files")]
    pub(crate) maps: Option<PathBuf>,

    /// Skip pictures that can't be read, and evaluate the others. Each is named, and the exit code is 1
    #[arg(long, requires = "files")]
    pub(crate) skip_unreadable: bool,

    /// Labels of these images: IDX
    #[arg(long, value_name = "FILE", requires = "test_images")]
    pub(crate) test_labels: Option<PathBuf>,

    /// Print the figures as JSON, as in evaluation.json, instead of tables
    #[arg(long)]
    pub(crate) json: bool,

    /// Evaluate only the first N images; those of a folder are taken from each class in turn
    #[arg(short = 'n', long, alias = "images", value_name = "N", default_value = "200", value_parser = positive)]
    pub(crate) limit: usize,

    /// Seed for all random draws: positions and clutter of the scattered images, re-initialized weights, intervals
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,

    /// Measure only the K-th of N parts of the images and write the figures to DIR/shards, for `glassbox merge DIR`: `K/N`,
    /// or `slurm` in a task of a Slurm array. A part that exists already isn't computed again
    #[arg(long, value_name = "K/N|slurm")]
    pub(crate) shard: Option<Shard>,

    /// Output folder; created if missing, refused if it contains another command's report
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-evaluate")]
    pub(crate) out: PathBuf,
}

impl EvaluateArgs {
    /// All settings that all shards share.
    pub(super) fn settings(&self) -> String {
        format!("{:?}", Self { shard: None, out: PathBuf::new(), ..self.clone() })
    }
}

/// Parses the name of a measure.
fn measure(text: &str) -> Result<&'static Measure, String> {
    let known = || ALL.map(|measure| measure.id).join(", ");
    let found = ALL.into_iter().find(|measure| measure.id == text);
    found.ok_or_else(|| format!("there is no measure `{text}`; the measures are {}", known()))
}

/// Help for `--measure`.
fn measures() -> String {
    let each = ALL.map(|Measure { id, what, .. }| format!("\n  {id}\n          {what}"));
    format!("Measures, separated by commas [default: all that the images allow]\n{}", each.concat())
}
