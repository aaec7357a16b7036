//! The command line of `glassbox explain`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::methods;
use crate::files::model::ModelArgs;
use crate::terminal::values::positive;

/// Explain what a network sees in pictures
///
/// Prints the likeliest classes, and writes one sheet a picture, NAME.explained.png: the picture and a panel for each
/// method; and a report of all of them, index.html, to be looked at in a browser: maps over the pictures, with the value and
/// the receptive field of every cell. Where a method finds nothing to show, the output says so in words. Without a network of your own,
/// one that knows the 1000 classes of ImageNet is asked. Beside each sheet lies a record, NAME.explained.json: hashes of
/// network, input and maps, by which `glassbox verify` makes them again and compares.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox explain photo.jpg\n  \
    glassbox explain photo.jpg --top 3\n  \
    glassbox explain holidays/ --class \"Egyptian cat\" --out cats\n  \
    glassbox explain coat.png --model garments.safetensors --class Shirt \\\n      \
        --method grad-cam --layer relu2,relu4\n  \
    glassbox explain coat.png --model garments.safetensors --method grad-cam --layer all\n  \
    glassbox explain coat.png --model garments.safetensors --class Coat --class Shirt --shared-scale\n  \
    glassbox explain photo.jpg --method 'smooth-grad(samples=200),occlusion(window=32,stride=8)'\n  \
    glassbox explain coat.npy --model garments.safetensors --method cam --raw\n  \
    glassbox explain photo.jpg --json | jq -r '.pictures[].top[0].name'\n\n\
    With --json: an object of report, the page, and pictures, a list of {picture, top, explanations, sheet, record}; top is \
    a list of {class, name, probability}, likeliest first; explanations are those of the record, a list of {method, \
    settings, target, why, layers, rule, verdict, shape, sha256}.")]
pub(crate) struct ExplainArgs {
    /// Pictures (PNG, JPEG, WebP, GIF, BMP), or folders of them; or .npy arrays [H, W, C] of f32, taken as they are, already
    /// preprocessed
    #[arg(value_name = "IMAGE|FOLDER", required = true)]
    pub(crate) images: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) network: ModelArgs,

    /// Methods, separated by commas, with settings in parentheses [default: the usual four]
    #[arg(short, long, value_name = "METHOD,…", value_parser = methods::list, long_help = methods::help_usual())]
    pub(crate) method: Vec<methods::List>,

    /// Layer for Grad-CAM and its like; of several, each map and their mean; `all` for a strip of every layer [default: the
    /// last with positions; `glassbox inspect` lists them]
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) layer: Option<Vec<String>>,

    /// The class to explain, by name or by number from 0; given several times, a row of panels for each [default: the
    /// likeliest, picture by picture]
    #[arg(short, long, value_name = "NUMBER|NAME", conflicts_with = "top")]
    pub(crate) class: Vec<String>,

    /// Explain why the class rather than this one: the difference of the two scores
    #[arg(long, value_name = "NUMBER|NAME")]
    pub(crate) versus: Option<String>,

    /// Explain what speaks against the class: the negated score
    #[arg(long)]
    pub(crate) counterfactual: bool,

    /// Draw all maps of a method on one scale, over classes and pictures, so that their strengths can be compared; looks at
    /// every picture twice
    #[arg(long)]
    pub(crate) shared_scale: bool,

    /// Explain this many of the likeliest classes, a row of panels for each
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    pub(crate) top: usize,

    /// Explain only the first N pictures, in the order of the command line and, in a folder, of their names
    #[arg(short = 'n', long, value_name = "N", value_parser = positive)]
    pub(crate) limit: Option<usize>,

    /// Folder for what is written; made if missing, refused if another command's report is in it
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-explain")]
    pub(crate) out: PathBuf,

    /// Also write each map as numbers, NAME.METHOD.npy, f32 and signed: [h, w] for a map of cells, before ReLU and upsampling;
    /// [H, W, C] for a map of the input's pixels
    #[arg(long)]
    pub(crate) raw: bool,

    /// Also write each map laid over the picture at its own size, NAME.METHOD.png
    #[arg(long)]
    pub(crate) full_size: bool,

    /// Print what was found as JSON, in place of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Also check what theory says must hold, as `glassbox certify` does, and show it in the report; takes longer than the
    /// usual methods together
    #[arg(long)]
    pub(crate) certify: bool,
}
