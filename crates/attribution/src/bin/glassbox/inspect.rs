//! `glassbox inspect`.

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
    match &args.graph {
        Some(file) => graph::write(&model, args.rule, args.to.as_deref(), file),
        None => Ok(()),
    }
}
