//! The command line of `glassbox explain`.

use std::path::PathBuf;

use clap::Args;

use crate::program::commands::methods;
use crate::program::files::asked;
use crate::program::files::model::ModelArgs;
use crate::program::files::shards::Shard;
use crate::program::terminal::values::positive;

/// Explain what a network sees in pictures
///
/// Prints the likeliest classes, and writes a sheet for each picture, NAME.explained.png, with the picture and a panel
/// for each method. A report of all pictures, index.html, shows the maps over the pictures in a browser, with the value
/// and the receptive field of every cell. If a method finds no evidence, the output says why. The default network,
/// EfficientNet-Lite0, is built in and knows the 1000 classes of ImageNet. A record beside each sheet,
/// NAME.explained.json, contains hashes of the network, the input and the maps; `glassbox verify` repeats the
/// explanations and compares them.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox explain photo.jpg\n  \
    glassbox explain photo.jpg --top 3\n  \
    glassbox explain holidays/ --target \"Egyptian cat\" --out cats\n  \
    glassbox explain coat.png --model garments.safetensors --target Shirt \\\n      \
        --method grad-cam --layer relu2,relu4\n  \
    glassbox explain coat.png --model garments.safetensors --method grad-cam --layer all\n  \
    glassbox explain coat.png --model garments.safetensors --target Coat --target Shirt --shared-scale\n  \
    glassbox explain chest.png --model findings.onnx --target effusion --target effusion:absent\n  \
    glassbox explain street.jpg --model segmentation.onnx --target road --region all\n  \
    glassbox explain me.jpg --model faces.onnx --like passport.jpg\n  \
    glassbox explain photo.jpg --target /features/Conv_12:7\n  \
    glassbox explain photo.jpg --method 'smooth-grad(samples=200),occlusion(window=32,stride=8)'\n  \
    glassbox explain coat.npy --model garments.safetensors --method cam --raw\n  \
    glassbox explain photo.jpg --json | jq -r '.pictures[].top[0].name'\n\n\
    With --json: an object with report (the page) and pictures, a list of {picture, top, explanations, boxes, sheet, record}. \
    top is a list of {class, name, probability}, likeliest first; for values, of {class, name, value, unit}; for maps, of \
    {class, name, share}, the share of the positions. explanations are those of the record, a list of {method, settings, \
    target, why, layers, rule, verdict, shape, sha256}; boxes are those of --boxes, a list of {method, layers, why, edges}.")]
pub(crate) struct ExplainArgs {
    /// Pictures (PNG, JPEG, WebP, GIF, BMP, TIFF), or folders of pictures; or preprocessed .npy arrays [H, W, C] of
    /// f32, which are used unchanged
    #[arg(value_name = "IMAGE|FOLDER", required = true)]
    pub(crate) images: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) network: ModelArgs,

    /// Methods, separated by commas, with settings in parentheses [default: the usual four]
    #[arg(short, long, value_name = "METHOD,…", value_parser = methods::list, long_help = methods::help_usual())]
    pub(crate) method: Vec<methods::List>,

    /// Layer for methods that explain a layer, such as Grad-CAM. If several are given, each map and their mean are
    /// shown; `all` shows a strip of every layer [default: the last layer with positions; `glassbox inspect` lists
    /// them]
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) layer: Option<Vec<String>>,

    /// What to explain: a class, label or value by name or by index from 0, optionally with a side (`rust:absent`,
    /// `age:lower`); or a unit of a layer: LAYER:CHANNEL, LAYER:CHANNEL:ROW,COLUMN or LAYER:*:ROW,COLUMN. Repeat for several,
    /// with a row of panels for each [default: the likeliest class of each picture]
    #[arg(
        short,
        long,
        visible_alias = "class",
        visible_short_alias = 'c',
        value_name = "TARGET",
        conflicts_with = "top"
    )]
    pub(crate) target: Vec<String>,

    /// Explain the similarity to this picture: the cosine of the network's outputs for the two
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["top", "versus"])]
    pub(crate) like: Option<PathBuf>,

    /// Region over which the scores are summed, if the network's output is a map: `predicted`, where the class is predicted;
    /// `all`; a box TOP,LEFT,HEIGHT,WIDTH in pixels of the picture; or a mask, a picture that is black outside the region
    /// [default: predicted]
    #[arg(long, value_name = "REGION", value_parser = asked::place)]
    pub(crate) region: Option<asked::Place>,

    /// Explain the class in contrast to this one: the difference of the two scores
    #[arg(long, value_name = "NUMBER|NAME")]
    pub(crate) versus: Option<String>,

    /// Explain the evidence against the class: the negated score
    #[arg(long)]
    pub(crate) counterfactual: bool,

    /// Draw all maps of a method on one scale, so that strengths can be compared across classes and pictures; processes every
    /// picture twice
    #[arg(long)]
    pub(crate) shared_scale: bool,

    /// Explain the N likeliest classes, with a row of panels for each
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    pub(crate) top: usize,

    /// Explain only the first N pictures, in the order of the command line; those of a folder are sorted by name
    #[arg(short = 'n', long, value_name = "N", value_parser = positive)]
    pub(crate) limit: Option<usize>,

    /// Skip pictures on the command line that can't be read, as those of a folder are. Each is named, and the exit code is 1
    #[arg(long)]
    pub(crate) skip_unreadable: bool,

    /// Explain only the K-th of N parts of the pictures: `K/N`, or `slurm` in a task of a Slurm array. `glassbox merge DIR`
    /// writes the report and the summaries once all parts exist. A part that exists already isn't computed again
    #[arg(long, value_name = "K/N|slurm", conflicts_with = "shared_scale")]
    pub(crate) shard: Option<Shard>,

    /// Output folder; created if missing, refused if it contains another command's report
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-explain")]
    pub(crate) out: PathBuf,

    /// Also write each map as numbers, NAME.METHOD.npy, f32 and signed: [h, w] for a map of cells, before ReLU and
    /// upsampling; [H, W, C] for a map of the input's pixels
    #[arg(long)]
    pub(crate) raw: bool,

    /// Also write each map over the picture at full size, NAME.METHOD.png
    #[arg(long)]
    pub(crate) full_size: bool,

    /// Also print, draw and write to NAME.boxes.json the box of each map. It surrounds the largest connected part above 20 %
    /// of the maximum
    #[arg(long)]
    pub(crate) boxes: bool,

    /// Print the results as JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Also check identities from theory, as `glassbox certify` does, and show them in the report; takes longer than the
    /// default methods together
    #[arg(long)]
    pub(crate) certify: bool,
}

impl ExplainArgs {
    /// All settings that all shards share.
    pub(super) fn settings(&self) -> String {
        format!("{:?}", Self { shard: None, out: PathBuf::new(), ..self.clone() })
    }
}
