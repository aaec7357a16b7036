//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::certify::CertifyArgs;
use crate::completions::CompletionsArgs;
use crate::evaluate::Measure;
use crate::graph::Reading;
use crate::man::ManArgs;
use crate::method::Method;
use crate::model::{ModelArgs, Preprocessing};
use crate::train::TrainArgs;
use crate::verify::VerifyArgs;

/// Exit codes of the commands that check.
pub(crate) const EXIT_CODES: &str = "Exit codes, as diff's: 0 everything holds; 1 something does not; 2 the check failed \
    (a file that can't be read, a wrong flag), with one line that says why; 130 stopped by Ctrl-C.";

/// Train small convolutional networks and see why they decide.
///
/// Without a command, `glassbox demo` runs: it trains a network on garments hidden among clutter, explains its decisions
/// with four methods, scores the explanations against the garments' true places, and draws pictures.
#[derive(Debug, Parser)]
#[command(
    name = "glassbox",
    version,
    max_term_width = 100,
    after_long_help = "Try, in this order:\n  \
        glassbox explain photo.jpg                           a photograph, by the network in the program\n  \
        glassbox                                             train and explain, into glassbox-out/\n  \
        glassbox inspect glassbox-out/model.safetensors      the network as a table\n  \
        glassbox explain glassbox-out/inputs/*.png --model glassbox-out/model.safetensors\n\n\
        Results go to standard output, progress and errors to standard error. Exit codes: 0 done; 1 failed, with one \
        line that says why; 2 wrong usage; 130 stopped by Ctrl-C. `verify` and `certify` exit as diff does: 1 where \
        something does not hold, 2 where the check failed.\n\
        Results are the same for any number of threads. They differ in rounding with these environment variables:\n  \
        GLASSBOX_SIMD=portable|avx2|avx512  the instruction set, by default the fastest that the processor has\n  \
        GLASSBOX_WINOGRAD=off               3×3 convolutions without Winograd's transforms: slower, nearer the exact sums"
)]
pub(crate) struct Cli {
    /// Threads to use [default: one for each core]
    #[arg(short = 'j', long, global = true, value_name = "N", value_parser = threads, display_order = 1000)]
    pub(crate) threads: Option<usize>,

    /// Show no progress; results, warnings and errors are still printed
    #[arg(short, long, global = true, display_order = 1001)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Train(TrainArgs),
    Explain(ExplainArgs),
    Evaluate(EvaluateArgs),
    Verify(VerifyArgs),
    Certify(CertifyArgs),
    Inspect(InspectArgs),
    Export(ExportArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Train, explain, score and draw: the whole chain on real images, in a minute or so
///
/// The task: each picture shows one garment of Fashion-MNIST at a random place, among crops of others. The network is told
/// only which garment it is, never where. CAM, Grad-CAM, guided backpropagation and guided Grad-CAM then say where it
/// looked, and since the garment's true box is known, each can be scored: the pointing game (does the strongest pixel lie
/// in the box?) and the box score (does a box drawn round the strong part overlap the true one by more than half?).
///
/// The same seed gives the same figures. Ctrl-C ends the step, saves the network so far, and says so.
#[derive(Debug, Parser)]
pub(crate) struct DemoArgs {
    /// Times that every training image is seen, scattered anew each time
    #[arg(long, value_name = "N", default_value = "8", value_parser = positive)]
    pub(crate) epochs: usize,

    /// Training images, at most 6000
    #[arg(long, value_name = "N", default_value = "6000", value_parser = positive)]
    pub(crate) images: usize,

    /// Test images to measure and score with, at most 1000
    #[arg(long, value_name = "N", default_value = "1000", value_parser = positive)]
    pub(crate) test_images: usize,

    /// Test images to draw: the first of each class, then the second of each, and so on
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) pictures: usize,

    /// Seed of everything random: weights, places, clutter, order
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,

    /// Folder for the report (index.html), the pictures, the network and run.json; made if missing
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-out")]
    pub(crate) out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Embedded {
    /// Garments as they are: 28×28, grey
    FashionMnist,
    /// One garment at a random place on 48×48, among crops of others
    Scattered,
}

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
    glassbox explain coat.npy --model garments.safetensors --method cam --raw")]
pub(crate) struct ExplainArgs {
    /// Pictures (PNG, JPEG, WebP, GIF, BMP), or folders of them; or .npy arrays [H, W, C] of f32, taken as they are, already
    /// preprocessed
    #[arg(value_name = "IMAGE|FOLDER", required = true)]
    pub(crate) images: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) network: ModelArgs,

    /// Methods, separated by commas [default: all that the network allows]
    #[arg(short, long, value_enum, value_name = "METHOD,…", value_delimiter = ',')]
    pub(crate) method: Option<Vec<Method>>,

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

    /// Also write each map as numbers, NAME.METHOD.npy, f32 and signed: [h, w] of the layer's cells before ReLU and
    /// upsampling for CAM and Grad-CAM, [H, W, C] of the input for the others
    #[arg(long)]
    pub(crate) raw: bool,

    /// Also write each map laid over the picture at its own size, NAME.METHOD.png
    #[arg(long)]
    pub(crate) full_size: bool,

    /// Also check what theory says must hold, as `glassbox certify` does, and show it in the report; takes longer than the
    /// usual methods together
    #[arg(long)]
    pub(crate) certify: bool,
}

/// Measure how good explanations are, over many images
///
/// Runs methods over images whose classes are known, and asks of their maps: do they say where the object is (on the
/// scattered task, whose true boxes are known), does the network agree, do they depend on the class and on the weights?
/// Beside them stand a Gaussian in the middle of the picture, and chance. Prints tables with 95 % intervals, and writes
/// evaluation.csv, evaluation.json and evaluation.svg, and a report with the tables and the first pictures, index.html.
///
/// The same seed gives the same figures. Ctrl-C ends the batch, and shows and writes the figures so far.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox evaluate                                    the network of `glassbox demo`\n  \
    glassbox evaluate --method grad-cam,guided-backprop --measure pointing,random --images 1000\n  \
    glassbox evaluate --model digits.safetensors --test-images t10k-images-idx3-ubyte.gz \\\n      \
        --test-labels t10k-labels-idx1-ubyte.gz\n  \
    glassbox evaluate --model garments.onnx --data fashion-mnist --mean 0.286 --std 0.353\n  \
    glassbox evaluate --json | jq '.figures[\"grad-cam\"].pointing.mean'\n\n\
    With --json: an object of version, simd, model, data, images, seed, level, accuracy; figures by method and \
    measure, each with mean, low and high (the interval of that level); cascade, a list of layer, rank_correlation and \
    ssim by method; agreement, a rank correlation by two methods.")]
pub(crate) struct EvaluateArgs {
    /// The network: as `glassbox train` saves it, or an ONNX file
    #[arg(long, value_name = "FILE", default_value = "glassbox-out/model.safetensors")]
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) preprocessing: Preprocessing,

    /// Methods, separated by commas [default: those that run the network a few times at most]
    #[arg(short, long, value_enum, value_name = "METHOD,…", value_delimiter = ',')]
    pub(crate) method: Option<Vec<Method>>,

    /// Measures, separated by commas [default: all that the images allow]
    #[arg(long, value_enum, value_name = "MEASURE,…", value_delimiter = ',')]
    pub(crate) measure: Option<Vec<Measure>>,

    /// Layer for the methods that look at one; of several, the mean where a method has it [default: the last with
    /// positions]
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) layer: Option<Vec<String>>,

    /// Embedded images: 1000 to test with
    #[arg(long, value_enum, default_value = "scattered", conflicts_with = "test_images")]
    pub(crate) data: Embedded,

    /// Images of your own: an IDX file of bytes, [N, H, W], plain or gzip
    #[arg(long, value_name = "FILE", requires = "test_labels")]
    pub(crate) test_images: Option<PathBuf>,

    /// Their labels, an IDX file
    #[arg(long, value_name = "FILE", requires = "test_images")]
    pub(crate) test_labels: Option<PathBuf>,

    /// Print the figures as JSON, as in evaluation.json, in place of the tables
    #[arg(long)]
    pub(crate) json: bool,

    /// Images to measure on: the first so many
    #[arg(long, value_name = "N", default_value = "200", value_parser = positive)]
    pub(crate) images: usize,

    /// Seed of everything random: places and clutter of the scattered images, weights drawn anew, intervals
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,

    /// Folder for what is written; made if missing, refused if another command's report is in it
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-evaluate")]
    pub(crate) out: PathBuf,
}

/// Show a network as a table: layers, shapes, sizes, classes, what can be explained, and how its convolutions are computed
///
/// Of each convolution the algorithms of its three products are named: forward, and the gradients by input and weights. They
/// follow from its shapes; GLASSBOX_WINOGRAD=off leaves Winograd's out, GLASSBOX_SIMD chooses the instructions.
///
/// With --graph, also draws the tape that one picture leaves: its operations with shapes and memory, the way that a gradient
/// takes from the scores to the image or a layer, and what a backward rule replaces on that way.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox inspect\n  \
    glassbox inspect garments.safetensors --graph garments.svg --rule guided\n  \
    glassbox inspect garments.safetensors --graph garments.dot --to relu2\n  \
    glassbox inspect garments.safetensors --json | jq -r '.layers[].name'\n\n\
    With --json: an object of model; input, [H, W, C]; parameters; multiply_adds; layers, a list of {name, kind, output, \
    parameters, multiply_adds}; classes, their names in the order of the scores; normalization, in words; cam_layer, what \
    CAM looks at; default_layer, what Grad-CAM looks at; convolutions, a list of the algorithms, {layer, forward, \
    input_gradient, weight_gradient}. normalization and the two layers are null where the network has none.")]
pub(crate) struct InspectArgs {
    /// The network: as `glassbox train` saves it, or an ONNX file [default: EfficientNet-Lite0, the one in the program]
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,

    /// Print the network as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Draw the tape into this file: FILE.svg, a picture; or FILE.dot, for Graphviz
    #[arg(long, value_name = "FILE.svg|FILE.dot")]
    pub(crate) graph: Option<PathBuf>,

    /// The rule by which the tape is read backwards
    #[arg(long, value_enum, value_name = "RULE", default_value = "exact", requires = "graph")]
    pub(crate) rule: Reading,

    /// Where the gradient goes: a layer's output [default: the image]
    #[arg(long, value_name = "LAYER", requires = "graph")]
    pub(crate) to: Option<String>,
}

/// Write a network for other programs, or with other names and preprocessing
///
/// OUT's ending says what it becomes: an ONNX file, which ONNX Runtime and others run, or a file as `glassbox train` saves it. With
/// --weights, the weights alone as PyTorch's `load_state_dict` takes them.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox export garments.onnx --model garments.safetensors\n  \
    glassbox export garments-weights.safetensors --weights --model garments.safetensors\n  \
    glassbox export photos.safetensors --model resnet18.onnx --labels imagenet.txt --crop 0.875 \\\n      \
        --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225")]
pub(crate) struct ExportArgs {
    /// File for the network; written whole or not at all
    #[arg(value_name = "OUT.onnx|OUT.safetensors")]
    pub(crate) out: PathBuf,

    /// The weights alone, in PyTorch's layout: convolutions [Cout, Cin/groups, Kh, Kw], fully connected layers [out, in]
    #[arg(long)]
    pub(crate) weights: bool,

    #[command(flatten)]
    pub(crate) network: ModelArgs,
}

pub(crate) fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "expected a whole number from 1".into())
}

/// More than any machine has would only take memory.
fn threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    text.parse().ok().filter(|threads| (1..=MOST).contains(threads)).ok_or(format!("expected 1 to {MOST}"))
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "expected a number above 0".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// What an option is called for short is the same in all commands; the test before finds two of one letter.
    #[test]
    fn short_flags_mean_the_same_everywhere() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = command.get_name();
            for option in command.get_arguments().filter(|argument| !argument.is_positional()) {
                let expected = match option.get_long() {
                    Some("method") => Some('m'),
                    Some("out") => Some('o'),
                    Some("layer") => Some('l'),
                    Some("class") => Some('c'),
                    Some("limit") => Some('n'),
                    Some("threads") => Some('j'),
                    Some("quiet") => Some('q'),
                    Some("help") => Some('h'),
                    Some("version") => Some('V'),
                    _ => None,
                };
                assert_eq!(option.get_short(), expected, "{name} {option}");
            }
        }
    }

    #[test]
    fn the_demo_runs_without_arguments() {
        let args = DemoArgs::parse_from(["glassbox"]);
        assert_eq!((args.seed, args.out), (0, PathBuf::from("glassbox-out")));
    }
}
