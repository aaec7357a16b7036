//! Transfer learning: a trained network with a new head.

use std::path::Path;

use nn::data::Dataset;
use nn::layers::GlobalAvgPool;
use nn::onnx::OnnxOptions;
use nn::{Layer, Model};

use crate::program::files::model;
use crate::program::terminal::Failure;
use crate::program::training::config::{Config, Network};
use crate::program::training::network;

/// The name of the built-in network in the settings.
const IN_THE_PROGRAM: &str = "efficientnet-lite0";
/// The value of `freeze` for all layers except the new one.
const TRUNK: &str = "trunk";
const NOTHING: &str = "nothing";

/// The network to start from, if there is one.
pub(crate) fn start(network: &Network) -> Result<Option<Model>, Failure> {
    let start = match network.start.as_str() {
        "" => return Ok(None),
        IN_THE_PROGRAM => model::open(None, &OnnxOptions::default())?,
        path => model::open(Some(Path::new(path)), &OnnxOptions::default())?,
    };
    match start.info().normalization {
        Some(_) => Ok(Some(start)),
        None => Err(format!(
            "{0}: has no normalization for pictures: set it with `glassbox export start.safetensors --model {0} \
             --mean … --std …`, and start from that",
            network.start
        )
        .into()),
    }
}

/// The network up to the cut, with a new head for these images, and with layers frozen as configured.
pub(crate) fn with_new_head(start: &Model, config: &Config, images: &dyn Dataset) -> Result<Model, Failure> {
    let network = &config.network;
    if images.is_map() {
        return Err(
            "network.start: a new last layer gives scores of a picture, not of its pixels: leave it empty with masks"
                .into(),
        );
    }
    let (expected, found) = (start.input_shape(), images.image_shape());
    if expected != found {
        return Err(format!("{}: takes images {expected:?}, found {found:?}", network.start).into());
    }
    let named = |error| format!("network.start: {}: {error}", network.start);
    let cut = match network.cut.as_str() {
        "" => last_read(start).map_err(named)?,
        layer => layer,
    };
    let mut builder = start.cut_after(cut).map_err(|error| format!("network.cut: {error}"))?;
    if start.layers()[start.layer_index(cut)?].output_shape.len() > 1 {
        builder = builder.layer("gap", GlobalAvgPool);
    }
    let builder = network::classified(builder, network.dropout, images.class_names().len());
    let info = network::meaning(images, start.info().clone());
    let mut model = network::started(builder.info(info).build(config.training.seed)?, images)?;
    match network.freeze.as_str() {
        NOTHING => {}
        TRUNK => model.freeze_up_to(cut)?,
        layer => model.freeze_up_to(layer).map_err(|error| format!("network.freeze: {error}"))?,
    }
    Ok(model)
}

/// The layer that the last fully connected layer reads, skipping dropout.
fn last_read(model: &Model) -> Result<&str, String> {
    let layers = model.layers();
    let read = |index: usize| match layers[index].inputs[..] {
        [nn::Source::Layer(from)] => Some(from),
        _ => None,
    };
    let last = layers.len() - 1;
    let head = matches!(layers[last].layer, Layer::Linear(_)).then_some(last);
    let mut before = head.and_then(read);
    while let Some(index) = before.filter(|&index| matches!(layers[index].layer, Layer::Dropout(_))) {
        before = read(index);
    }
    before.map(|index| layers[index].name.as_str()).ok_or_else(|| {
        format!(
            "its last layer, `{}`, isn't a fully connected one after another layer: set network.cut to the layer that the new \
             head should read",
            layers[last].name
        )
    })
}

/// Whether any layer is frozen.
pub(crate) fn freezes(network: &Network) -> bool {
    !network.start.is_empty() && network.freeze != NOTHING
}

#[cfg(test)]
mod tests {
    use nn::ModelInfo;
    use nn::data::{LabelledImages, Normalization};
    use nn::layers::{Conv2d, Dropout, Linear, Relu};

    use super::*;

    fn start() -> Model {
        let info = ModelInfo {
            normalization: Some(Normalization::new(vec![0.5], vec![0.25]).unwrap()),
            ..ModelInfo::default()
        };
        let trunk = Model::builder([8, 8, 1]).layer("conv", Conv2d::new(4, 3)).layer("relu", Relu);
        let trunk = trunk.layer("pool", GlobalAvgPool).layer("drop", Dropout { probability: 0.5 });
        trunk.layer("scores", Linear::new(9)).info(info).build(1).unwrap()
    }

    fn images(side: usize) -> LabelledImages {
        LabelledImages::new(vec![0; 2 * side * side], [2, side, side, 1], vec![0, 1], vec!["a".into(), "b".into()])
            .unwrap()
    }

    fn transferred(settings: &str) -> Result<Model, Failure> {
        let config = Config::parse(&format!("[network]\nstart = \"a file\"\n{settings}"))?;
        with_new_head(&start(), &config, &images(8))
    }

    fn layers(model: &Model) -> Vec<(&str, bool)> {
        model.layers().iter().map(|node| (node.name.as_str(), node.frozen)).collect()
    }

    #[test]
    fn the_last_layer_is_replaced_and_the_rest_is_frozen() {
        let model = transferred("dropout = 0.1").unwrap();
        let expected = [("conv", true), ("relu", true), ("pool", true), ("dropout", false), ("fc", false)];
        assert_eq!(layers(&model), expected);
        assert_eq!(model.parameter("conv.weight"), start().parameter("conv.weight"));
        assert_eq!((model.info().classes.len(), &model.info().normalization), (2, &start().info().normalization));
        let model = transferred("cut = \"conv\"\nfreeze = \"nothing\"").unwrap();
        assert_eq!(layers(&model), [("conv", false), ("gap", false), ("fc", false)]);
        let model = transferred("freeze = \"relu\"").unwrap();
        assert_eq!(layers(&model), [("conv", true), ("relu", true), ("pool", false), ("fc", false)]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |settings: &str| transferred(settings).unwrap_err().to_string();
        assert!(message("cut = \"relo\"").starts_with("network.cut: there is no layer `relo` (did you mean `relu`?)"));
        // The cut removed the head's dropout.
        assert!(message("freeze = \"drop\"").starts_with("network.freeze: there is no layer `drop`"));
        let config = Config::parse("[network]\nstart = \"net.onnx\"").unwrap();
        let error = with_new_head(&start(), &config, &images(9)).unwrap_err().to_string();
        assert_eq!(error, "net.onnx: takes images [8, 8, 1], found [9, 9, 1]");
        let headless = Model::builder([8, 8, 1]).layer("conv", Conv2d::new(4, 3)).layer("pool", GlobalAvgPool);
        let error = last_read(&headless.build(1).unwrap()).unwrap_err();
        assert!(error.starts_with("its last layer, `pool`, isn't a fully connected one"), "{error}");
    }
}
