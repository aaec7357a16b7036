//! Does the map depend on the network's weights?

use nn::{Model, ModelError, Real, Source};

use super::measure::{Group, Measure, Needs, half, rank_correlations};

/// Copies of the model in which more and more layers have random weights: first the last layer with weights, then also
/// the one before it, and so on down to the image. Each copy comes with the name of the layer that was randomized last.
///
/// If a method's map doesn't change, it explains something other than the network, such as the picture's edges.
/// (Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, *Sanity Checks for Saliency Maps*, 2018, §4.1: cascading
/// parameter randomization.) Compare the maps by [`rank_correlation`](super::rank_correlation) and
/// [`ssim`](super::ssim).
///
/// Weights are initialized as for a new model ([`ModelBuilder::build`](nn::ModelBuilder::build)), but with `!seed`, so
/// that a model is never reset to its own initial weights, which it still resembles. The running statistics of batch
/// norms are reset too.
///
/// # Errors
/// Does not fail for a model that was built or loaded.
pub fn cascade<T: Real>(
    model: &Model<T>,
    seed: u64,
) -> Result<impl ExactSizeIterator<Item = (String, Model<T>)>, ModelError> {
    let untrained = untrained(model, !seed)?;
    let layer_of = |parameter: &str| parameter.rsplit_once('.').map_or("", |(layer, _)| layer).to_string();
    let mut layers: Vec<String> = model.parameters().iter().map(|parameter| layer_of(&parameter.name)).collect();
    layers.dedup();
    let mut randomized = model.clone();
    Ok(layers.into_iter().rev().map(move |layer| {
        for parameter in untrained.parameters().iter().filter(|parameter| layer_of(&parameter.name) == layer) {
            randomized.set_parameter(&parameter.name, parameter.value.clone()).expect("the same layers");
        }
        (layer, randomized.clone())
    }))
}

/// The same layers with random weights.
fn untrained<T: Real>(model: &Model<T>, seed: u64) -> Result<Model<T>, ModelError> {
    let layers = model.layers();
    let name = |source: &Source| match *source {
        Source::Image => "input",
        Source::Layer(index) => &layers[index].name,
    };
    let builder = layers.iter().fold(Model::builder(model.input_shape()), |builder, node| {
        let inputs: Vec<&str> = node.inputs.iter().map(name).collect();
        builder.layer_from(&node.name, node.layer.clone(), &inputs)
    });
    Ok(builder.info(model.info().clone()).build(seed)?.cast())
}

/// The similarity to the maps of a randomized network, by rank correlation (0) or SSIM (1); empty without this step.
fn at_step(step: Option<&[Vec<f64>; 2]>, which: usize) -> Vec<f64> {
    step.map_or_else(Vec::new, |step| step[which].clone())
}

/// The similarity to the map of another class.
pub static WRONG_CLASS: Measure = Measure {
    id: "wrong-class",
    title: "wrong class",
    what: "rank correlation with the map of the likeliest wrong class",
    group: Group::Sanity,
    higher_is_better: false,
    needs: Needs::Rivals,
    figures: |trial| Ok(rank_correlations(trial.maps, trial.rivals)),
};

/// The similarity to the map of a network whose last layer is random.
pub static RANDOM_HEAD: Measure = Measure {
    id: "random-head",
    title: "random head",
    what: "rank correlation with the map after the last layer's weights are re-initialized",
    group: Group::Sanity,
    higher_is_better: false,
    needs: Needs::Randomized,
    figures: |trial| Ok(at_step(trial.cascade.first(), 0)),
};

/// The similarity to the map of a network whose upper half is random.
pub static RANDOM_HALF: Measure = Measure {
    id: "random-half",
    title: "half random",
    what: "rank correlation with the map after the weights of the upper half of the layers are re-initialized",
    group: Group::Sanity,
    higher_is_better: false,
    needs: Needs::Randomized,
    figures: |trial| Ok(at_step(trial.cascade.get(half(trial.cascade.len())), 0)),
};

/// The structural similarity to the map of a network whose upper half is random.
pub static RANDOM_SSIM: Measure = Measure {
    id: "random-ssim",
    title: "SSIM of it",
    what: "structural similarity with that map",
    group: Group::Sanity,
    higher_is_better: false,
    needs: Needs::Randomized,
    figures: |trial| Ok(at_step(trial.cascade.get(half(trial.cascade.len())), 1)),
};

/// The similarity to the map of a random network.
pub static RANDOM: Measure = Measure {
    id: "random",
    title: "all random",
    what: "rank correlation with the map after all weights are re-initialized",
    group: Group::Sanity,
    higher_is_better: false,
    needs: Needs::Randomized,
    figures: |trial| Ok(at_step(trial.cascade.last(), 0)),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::residual;
    use nn::layers::{BatchNorm, GlobalAvgPool, Linear};
    use tensor::Tensor;

    #[test]
    fn layers_are_randomized_from_the_head_down() {
        let mut model = residual().build(3).unwrap();
        for parameter in ["conv1.bias", "conv2.bias"] {
            model.set_parameter(parameter, Tensor::full([4], 7.0)).unwrap();
        }
        let steps: Vec<_> = cascade(&model, 5).unwrap().collect();
        let names: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["fc", "conv2", "conv1"]);
        let fresh = residual().build(!5).unwrap();
        for (count, (_, step)) in (1..).zip(&steps) {
            for parameter in step.parameters() {
                let layer = parameter.name.split('.').next().unwrap();
                let source = if names[..count].contains(&layer) { &fresh } else { &model };
                assert_eq!(Some(&parameter.value), source.parameter(&parameter.name), "{count} {}", parameter.name);
            }
        }
        assert_eq!(steps[2].1, fresh);
    }

    #[test]
    fn running_statistics_are_reset_with_their_layer() {
        let layers = |seed| {
            let builder = Model::builder([4, 4, 1]).layer("bn", BatchNorm::new()).layer("gap", GlobalAvgPool);
            builder.layer("fc", Linear::new(2)).build(seed).unwrap()
        };
        let mut model = layers(1);
        model.set_parameter("bn.running_mean", Tensor::full([1], 3.0)).unwrap();
        let last = cascade(&model, 2).unwrap().last().unwrap();
        assert_eq!(last, ("bn".to_string(), layers(!2)));
    }
}
