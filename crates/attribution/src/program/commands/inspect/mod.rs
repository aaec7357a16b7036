//! `glassbox inspect`.

mod graph;

use std::path::PathBuf;

use clap::Args;
use nn::{Algorithms, LayerSummary, Model, Task};
use serde::Serialize;
use tensor::simd::tier;

use crate::program::files::model::{self, Preprocessing};
use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, say};
use graph::Reading;

/// Show a network as a table: layers, shapes, sizes, classes, the layers for CAM and Grad-CAM, and the convolution
/// algorithms
///
/// For each convolution, the table of algorithms lists three products: the forward pass, and the gradients with respect to the input
/// and the weights. The choice depends on the shapes. GLASSBOX_WINOGRAD=off disables Winograd's algorithm, and GLASSBOX_SIMD
/// selects the instruction set.
///
/// With --graph, also draws the tape of one picture: its operations with shapes and memory, the path of the gradient
/// from the scores to the image or a layer, and the operations that a backward rule replaces on this path.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox inspect\n  \
    glassbox inspect resnet18.onnx --size 320 --labels imagenet.txt\n  \
    glassbox inspect garments.safetensors --graph garments.svg --rule guided\n  \
    glassbox inspect garments.safetensors --graph garments.dot --to relu2\n  \
    glassbox inspect garments.safetensors --json | jq -r '.layers[].name'\n\n\
    With --json: an object with model; input, [H, W, C]; parameters; multiply_adds; layers, a list of {name, kind, output, \
    parameters, multiply_adds}; task, what the scores mean; output, [K] or [H, W, K] of a map; classes, their names in the order of the \
    scores; units, of values; normalization, in words; cam_layer, the layer \
    for CAM; default_layer, the default layer for Grad-CAM; convolutions, a list of the algorithms, {layer, forward, \
    input_gradient, weight_gradient}. normalization and the two layers are null if the network has none.")]
pub(crate) struct InspectArgs {
    /// The network: a file saved by `glassbox train`, or an ONNX file [default: EfficientNet-Lite0, built in]
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,

    #[command(flatten)]
    preprocessing: Preprocessing,

    /// Print the network as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Draw the tape into this file: FILE.svg, or FILE.dot for Graphviz
    #[arg(long, value_name = "FILE.svg|FILE.dot")]
    pub(crate) graph: Option<PathBuf>,

    /// The backward rule
    #[arg(long, value_enum, value_name = "RULE", default_value = "exact", requires = "graph")]
    pub(crate) rule: Reading,

    /// The end of the gradient's path: a layer's output [default: the image]
    #[arg(long, value_name = "LAYER", requires = "graph")]
    pub(crate) to: Option<String>,
}

/// The JSON output.
#[derive(Serialize)]
struct InspectOutput {
    model: String,
    input: [usize; 3],
    parameters: usize,
    multiply_adds: u64,
    layers: Vec<Layer>,
    task: Task,
    output: Vec<usize>,
    classes: Vec<String>,
    units: Vec<String>,
    normalization: Option<String>,
    cam_layer: Option<String>,
    default_layer: Option<String>,
    convolutions: Vec<Convolution>,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    kind: String,
    output: Vec<usize>,
    parameters: usize,
    multiply_adds: u64,
}

#[derive(Serialize)]
struct Convolution {
    layer: String,
    forward: String,
    input_gradient: String,
    weight_gradient: String,
}

impl InspectOutput {
    fn new(name: String, model: &Model) -> Self {
        let (summary, named) = (model.summary(), |layer: usize| model.layers()[layer].name.clone());
        let layer = |LayerSummary { name, kind, output, parameters, multiply_adds, .. }| Layer {
            name,
            kind,
            output,
            parameters,
            multiply_adds,
        };
        let convolution = |Algorithms { layer, forward, input_gradient, weight_gradient }| Convolution {
            layer,
            forward: forward.to_string(),
            input_gradient: input_gradient.to_string(),
            weight_gradient: weight_gradient.to_string(),
        };
        Self {
            model: name,
            input: summary.input,
            parameters: summary.parameters,
            multiply_adds: summary.multiply_adds,
            layers: summary.layers.into_iter().map(layer).collect(),
            task: model.task(),
            output: model.output_shape().to_vec(),
            units: model.info().units.clone(),
            classes: (0..model.classes()).map(|class| model.class_name(class)).collect(),
            normalization: model.info().normalization.as_ref().map(ToString::to_string),
            cam_layer: model.gap_head().map(|head| named(head.features)),
            default_layer: model.last_spatial_layer().map(named),
            convolutions: model.algorithms().into_iter().map(convolution).collect(),
        }
    }
}

/// Prints the network, and draws its tape if requested.
pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let file = args.model.as_deref();
    let (model, name) = (args.preprocessing.open(file)?, model::name(file));
    if args.json {
        say!("{}", serde_json::to_string_pretty(&InspectOutput::new(name, &model))?);
    } else {
        print(&model, &name);
    }
    match &args.graph {
        Some(file) => graph::write(&model, args.rule, args.to.as_deref(), file),
        None => Ok(()),
    }
}

/// Prints the network as a table, and the layers for CAM and Grad-CAM.
fn print(model: &Model, name: &str) {
    let layers = model.layers();
    say!("{name}\n\n{}\n", model.summary());

    say!("Gives          {}", gives(model));
    let name = |class: usize| {
        let unit = model.unit(class).map_or(String::new(), |unit| format!(" [{unit}]"));
        format!("{class} {}{unit}", model.class_name(class))
    };
    if let [read, others @ ..] = &model.info().outputs[..] {
        say!("Output         `{read}`; left out: {} (--output selects another)", others.join(", "));
    }
    match (model.task(), &model.info().classes[..]) {
        (Task::Embedding, _) | (_, []) => {}
        (task, _) => {
            let heading = if task == Task::Classes {
                "Classes"
            } else if task == Task::Labels {
                "Labels"
            } else {
                "Values"
            };
            say!("{heading:13}  {}", (0..model.classes()).map(name).collect::<Vec<_>>().join(", "));
        }
    }
    match &model.info().normalization {
        Some(normalization) => say!("Normalization  {normalization}"),
        None => say!("Normalization  none: takes preprocessed arrays, not pictures"),
    }
    match model.gap_head() {
        Some(head) => {
            let [features, linear] = [head.features, head.linear].map(|layer| &layers[layer].name);
            say!(
                "Head           global average pooling and one fully connected layer (`{linear}`): CAM looks at `{features}`"
            );
        }
        None => say!("Head           not global average pooling and one fully connected layer: no CAM; use grad-cam"),
    }
    let placed =
        layers.iter().zip(model.grids()).filter_map(|(node, grid)| Some((&node.name[..], grid.as_ref()?.size)));
    let placed: Vec<(&str, [usize; 2])> = placed.collect();
    for (index, alike) in placed.chunk_by(|a, b| a.1 == b.1).enumerate() {
        let label = if index == 0 { "Grad-CAM at" } else { "" };
        say!("{label:<14} {}", of_one_size(alike));
    }
    if let Some(last) = model.last_spatial_layer() {
        say!(
            "               (default: the last layer with positions that a later layer mixes, `{}`)",
            layers[last].name
        );
    }
    print_algorithms(model);
}

/// Layers of one size that follow one another: `14×14: conv5, relu5`, or the first and the last of many.
fn of_one_size(layers: &[(&str, [usize; 2])]) -> String {
    const LISTED: usize = 4;
    let [height, width] = layers[0].1;
    let names: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
    match &names[..] {
        [first, .., last] if names.len() > LISTED => {
            format!("{height}×{width}: {} layers, {first} … {last}", names.len())
        }
        names => format!("{height}×{width}: {}", names.join(", ")),
    }
}

/// The meaning of the scores, in words.
fn gives(model: &Model) -> String {
    let (scores, unnamed) = (model.scores(), model.info().classes.is_empty());
    let without = if unnamed { ", without names" } else { "" };
    let said = if model.info().task.is_none() { "; --task says otherwise" } else { "" };
    let each = match model.task() {
        Task::Classes => format!("one of {scores} classes (softmax){without}"),
        Task::Labels if scores == 1 => format!("a label, present or absent (sigmoid){without}"),
        Task::Labels => format!("{scores} labels, each present or absent (sigmoid){without}"),
        Task::Values => format!("{}{without}", count(scores, "value")),
        Task::Embedding => format!("an embedding of {scores} numbers"),
    };
    match *model.output_shape() {
        [height, width, _] => format!("a map of {height} × {width} positions, at each {each}{said}"),
        _ => format!("{each}{said}"),
    }
}

/// Prints the algorithm of each convolution.
fn print_algorithms(model: &Model) {
    let algorithms = model.algorithms();
    if algorithms.is_empty() {
        return;
    }
    let width = algorithms.iter().map(|a| a.layer.chars().count()).fold("layer".len(), usize::max);
    say!("\nConvolutions   on {}, with these algorithms (see `nn::kernels`):\n", tier());
    say!("{:width$}  {:12}  {:14}  ∂/∂weights", "layer", "forward", "∂/∂input");
    for Algorithms { layer, forward, input_gradient, weight_gradient } in algorithms {
        say!("{layer:width$}  {forward:12}  {input_gradient:14}  {weight_gradient}");
    }
}
