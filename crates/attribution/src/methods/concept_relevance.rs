//! Concept relevance propagation.

use nn::{Model, Real, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::{Tensor, Var, on_pool};

use super::Preset;
use super::prelude::*;
use super::settings::to_value;
use crate::pass::{Pass, of_image};
use crate::rules::{Composite, LrpOnTape};
use crate::target::Seed;

static ABOUT: About = About {
    id: "concept-relevance",
    title: "concept relevance",
    source: "Achtibat et al. 2023",
    formula: "LRP that passes one channel of a layer alone: the pixels' part in what that channel gives to the score",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Contribution,
    cost: Cost::OnePass,
    tells: "where in the picture one channel of a layer finds what it adds to the score; by default the most relevant channel",
    does_not_tell: "what the channel stands for, nor what the other channels add; and no more than its rules of LRP do",
    elsewhere: &["CondAttribution"],
    chapter: "chapter_12_conservation",
};

/// Concept relevance propagation: the relevance that reaches the image through one channel of a layer, `[H, W, C]`. (Achtibat, Dreyer,
/// Eisenbraun, Bosse, Wiegand, Samek and Lapuschkin, *From Attribution Maps to Human-Understandable Explanations through Concept
/// Relevance Propagation*, 2023, eq. 3.)
///
/// ```text
/// R_l,c = R_l ⊙ 1[channel = c],    and on to the image by the same rules
/// ```
///
/// Relevance that goes round the layer, through a skip connection, isn't in the map. At a layer that every way passes, the maps of
/// all channels add up to that of LRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConceptRelevance {
    /// The channel; by default, for each image, the one with the largest relevance.
    pub channel: Option<usize>,
    /// The rules of the layers.
    pub preset: Preset,
}

impl Default for ConceptRelevance {
    fn default() -> Self {
        Self { channel: None, preset: Preset::EpsilonPlusFlat }
    }
}

/// LRP down to a layer, and from there one channel at a time.
struct AtLayer<'q, T: Real> {
    pass: &'q Pass<'q, T>,
    rule: LrpOnTape<T>,
    layer: usize,
    /// g at the layer, with R = f ⊙ g.
    arrived: Tensor<T>,
}

impl<'q, T: Real> AtLayer<'q, T> {
    fn new(question: &Question<'q, T>, composite: &Composite<T>, layer: usize) -> Result<Self, ExplainError> {
        let pass = question.pass();
        let Seed { layer: from, gradient } = question.seed()?;
        let rule = composite.on(pass.tape(), pass.forward().input())?;
        let [outputs, value] = [from, layer].map(|layer| pass.var(Source::Layer(layer)));
        let mut gradients = on_pool(|| pass.tape().backward_from(outputs, gradient, &rule, [value]))?;
        let arrived = gradients.take(value).expect("requested");
        Ok(Self { pass, rule, layer, arrived })
    }

    fn value(&self) -> &Var<T> {
        self.pass.var(Source::Layer(self.layer))
    }

    /// The relevance of each channel of one image.
    fn of_channels(&self, image: usize) -> Vec<f64> {
        let relevance = self.rule.relevance_at(self.value().node(), &self.arrived);
        let relevance = self.pass.on_grid(self.layer, &relevance);
        let relevance = of_image(&relevance, image);
        let channel = |values: ndarray::ArrayView2<T>| {
            tensor::pairwise_sum(&values.iter().map(|r| r.as_f64()).collect::<Vec<_>>())
        };
        relevance.axis_iter(ndarray::Axis(2)).map(channel).collect()
    }

    /// The maps of a channel for each image.
    fn maps(&self, channels: &[usize]) -> Result<Vec<Map<T>>, ExplainError> {
        let (input, count) = (self.pass.forward().input(), self.value().shape()[self.value().shape().len() - 1]);
        let each = self.arrived.len() / self.pass.images();
        let masked = Tensor::from_fn(self.arrived.shape(), |i| {
            if i % count == channels[i / each] { self.arrived.as_slice()[i] } else { T::zero() }
        });
        let mut gradients = on_pool(|| self.pass.tape().backward_from(self.value(), masked, &self.rule, [input]))?;
        let relevance = self.rule.relevance(self.pass.input(), gradients.take(input).expect("requested"));
        let layers = vec![self.pass.layer_name(self.layer)];
        let maps = self.pass.pixel_maps(ABOUT.quantity, &relevance, &relevance).into_iter();
        Ok(maps.map(|map| Map { layers: layers.clone(), coverage: Some(self.rule.coverage()), ..map }).collect())
    }
}

impl ConceptRelevance {
    fn at<'q, T: Real>(&self, question: &Question<'q, T>, layer: usize) -> Result<AtLayer<'q, T>, ExplainError> {
        AtLayer::new(question, &self.preset.composite(question.pass().model()), layer)
    }

    /// The relevance of each channel of the question's layer, `[C]` for each image: the sum over its positions.
    ///
    /// # Errors
    /// The same as for [`explain_each`](Question::explain_each).
    pub fn of_channels<T: Real>(&self, question: &Question<'_, T>) -> Result<Vec<Vec<f64>>, ExplainError> {
        let layer = question.spatial_layers()?[0];
        let at = self.at(question, layer)?;
        Ok((0..question.pass().images()).map(|image| at.of_channels(image)).collect())
    }
}

/// The index of the largest value, the first if several are equal. NaN is skipped, unless it is the first value.
fn largest(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

impl<T: Real> Method<T> for ConceptRelevance {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        pass.spatial(crate::layer::LayerRef::Last)?;
        self.preset.composite(pass.model()).check(pass)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        question.over_layers(|layer| {
            let at = self.at(question, layer)?;
            let count = at.value().shape()[at.value().shape().len() - 1];
            let channel = |image| match self.channel {
                Some(channel) if channel < count => Ok(channel),
                Some(channel) => Err(ExplainError::Setting(format!(
                    "layer `{}` has {count} channels, numbered from 0, found {channel}",
                    pass.layer_name(layer)
                ))),
                None => Ok(largest(&at.of_channels(image))),
            };
            at.maps(&(0..pass.images()).map(channel).collect::<Result<Vec<_>, _>>()?)
        })
    }

    fn settings(&self, model: Option<&Model<T>>) -> Value {
        let mut settings = to_value(self);
        if let (Some(_), None, Value::Object(fields)) = (model, self.channel, &mut settings) {
            fields.remove("channel");
        }
        settings
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array3, Axis};

    use super::super::tests::{BOUND, convolution, maps, near_each, taps, with_network, with_pass};
    use super::super::{Lrp, Preset};
    use super::{ConceptRelevance, largest};

    /// ε in the fully connected layer and in the convolutions, of one channel of the first convolution, in loops.
    pub(crate) fn check() {
        const EPSILON: f64 = 1e-6;
        let stabilized = |y: f64| y + if y < 0.0 { -EPSILON } else { EPSILON };
        with_network(|pass, x| {
            let value = |name: &str| pass.model().parameter(name).unwrap();
            let (w1, w2, fc) = (value("conv1.weight"), value("conv2.weight"), value("fc.weight").view());
            let [b1, b2, bias] = ["conv1.bias", "conv2.bias", "fc.bias"].map(|name| value(name).as_slice());
            let y1 = convolution(x, w1, b1);
            let f1 = y1.mapv(|v| v.max(0.0));
            let y2 = convolution(&f1, w2, b2);
            let f2 = y2.mapv(|v| v.clamp(0.0, BOUND));
            let (height, width, _) = x.dim();
            let pooled = f2.mean_axis(Axis(0)).unwrap().mean_axis(Axis(0)).unwrap();
            let each = |from: usize, to: usize| (0..from).flat_map(move |c| (0..to).map(move |o| (c, o)));
            for class in 0..3 {
                let score = bias[class] + (0..5).map(|c| pooled[c] * fc[[c, class]]).sum::<f64>();
                let share = score / stabilized(score) / (height * width) as f64;
                let r2 = Array3::from_shape_fn(f2.dim(), |at| f2[at] * fc[[at.2, class]] * share);
                let mut r1 = Array3::<f64>::zeros(f1.dim());
                for [[i, j], [u, v], [k, l]] in taps([height, width]) {
                    each(4, 5).for_each(|(c, o)| {
                        r1[[k, l, c]] += f1[[k, l, c]] * w2.view()[[u, v, c, o]] * r2[[i, j, o]] / stabilized(y2[[i, j, o]]);
                    });
                }
                let sums: Vec<f64> = (0..4).map(|c| r1.index_axis(Axis(2), c).sum()).collect();
                let question = pass.why(class).at("relu1");
                let method = |channel| ConceptRelevance { channel, preset: Preset::Epsilon };
                let found = method(None).of_channels(&question).unwrap().swap_remove(0);
                assert!(found.iter().zip(&sums).all(|(found, sum)| (found - sum).abs() < 1e-12));
                for channel in 0..4 {
                    let mut expected = Array3::<f64>::zeros(x.dim());
                    for [[i, j], [u, v], [k, l]] in taps([height, width]) {
                        (0..2).for_each(|c| {
                            let part = x[[k, l, c]] * w1.view()[[u, v, c, channel]] / stabilized(y1[[i, j, channel]]);
                            expected[[k, l, c]] += part * r1[[i, j, channel]];
                        });
                    }
                    let map = question.explain(&method(Some(channel))).unwrap();
                    near_each(map.raw(), &expected, "concept relevance");
                    if channel == largest(&sums) {
                        assert_eq!(question.explain(&method(None)).unwrap(), map);
                    }
                }
            }
        });
        adds_up();
    }

    /// At a cut of the network, the maps of all channels add up to that of LRP.
    fn adds_up() {
        with_pass(|pass| {
            let whole = pass.why(1).explain_each(&Lrp { preset: Preset::EpsilonPlusFlat }).unwrap();
            let channel = |channel| ConceptRelevance { channel: Some(channel), ..ConceptRelevance::default() };
            let each: Vec<_> = (0..4).map(|c| maps(pass, "sum", &channel(c))).collect();
            for image in 0..2 {
                let sum = each.iter().fold(Array3::zeros((9, 8, 2)), |sum, maps| sum + maps[image].raw());
                near_each(whole[image].raw(), &sum, "the sum of all channels");
                assert_eq!(each[0][image].layers(), ["sum"]);
            }
            let refused = pass.why(1).at("sum").explain_each(&channel(4)).unwrap_err().to_string();
            assert!(refused.contains("layer `sum` has 4 channels, numbered from 0, found 4"), "{refused}");
        });
    }
}
