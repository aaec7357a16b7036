//! `glassbox inspect`.

use nn::{Algorithms, Model};
use tensor::simd::tier;

use crate::cli::InspectArgs;
use crate::{Failure, graph, model, say};

/// Prints the network as a table, and what can be explained.
pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let model = model::open(args.model.as_deref())?;
    let layers = model.layers();
    say!("{}\n\n{}\n", model::name(args.model.as_deref()), model.summary());

    let names: Vec<String> = (0..model.classes()).map(|class| format!("{class} {}", model.class_name(class))).collect();
    match model.info().classes[..] {
        [] => say!("Classes        {}, without names", model.classes()),
        _ => say!("Classes        {}", names.join(", ")),
    }
    match &model.info().normalization {
        Some(normalization) => say!("Normalization  {normalization}"),
        None => say!("Normalization  none: takes arrays that are already preprocessed, not pictures"),
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
    let spatial = layers.iter().filter_map(|node| match node.output_shape[..] {
        [height, width, _] => Some(format!("{} {height}×{width}", node.name)),
        _ => None,
    });
    say!("Grad-CAM at    {}", spatial.collect::<Vec<_>>().join(", "));
    if let Some(last) = model.last_spatial_layer() {
        say!("               (by default the last with positions, `{}`)", layers[last].name);
    }
    print_algorithms(&model);
    match &args.graph {
        Some(file) => graph::write(&model, args.rule, args.to.as_deref(), file),
        None => Ok(()),
    }
}

/// Says how each convolution is computed here.
fn print_algorithms(model: &Model) {
    let algorithms = model.algorithms();
    if algorithms.is_empty() {
        return;
    }
    let width = algorithms.iter().map(|a| a.layer.chars().count()).fold("layer".len(), usize::max);
    say!("\nConvolutions   on {}, by these algorithms (`nn::kernels` explains them):\n", tier());
    say!("{:width$}  {:12}  {:14}  by the weights", "layer", "forward", "∂ by the input");
    for Algorithms { layer, forward, input_gradient, weight_gradient } in algorithms {
        say!("{layer:width$}  {forward:12}  {input_gradient:14}  {weight_gradient}");
    }
}
