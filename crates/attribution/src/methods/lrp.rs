//! Layer-wise relevance propagation.

use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prelude::*;
use super::settings::to_value;
use crate::pass::Pass;
use crate::rules::{AlphaBeta, Composite, Epsilon, Flat, Gamma, Layers, LrpRule, ZBox};

static ABOUT: About = About {
    id: "lrp",
    title: "LRP",
    source: "Bach et al. 2015",
    formula: "the score, shared out among the inputs of layer after layer in proportion to what they contribute",
    looks_at: LooksAt::Input,
    quantity: Quantity::Contribution,
    cost: Cost::OnePass,
    tells: "how the score is shared out among the pixels, layer by layer; with what biases keep, it adds up to the score",
    does_not_tell: "more than its rules do: with z⁺ in the convolutions little of the map depends on the class",
    elsewhere: &["LRP", "AttnLRP", "EpsilonPlusFlat", "EpsilonGammaBox", "EpsilonAlpha2Beta1Flat"],
    chapter: "chapter_12_conservation",
};

/// Layer-wise relevance propagation: each pixel value's share of the score, `[H, W, C]`, propagated layer by layer
/// (Bach et al. 2015). For custom rules use a [`Composite`], which is a method too.
///
/// Softmax, products of two values, layer norms and gated activations have the rules of AttnLRP (Achtibat et al. 2024), so
/// transformers are explained as well; [`Preset::Epsilon`] is the paper's choice for their fully connected layers.
///
/// The shares and what the biases keep add up to the score. Everything depends on the rules: ε alone is almost input ×
/// gradient, and z⁺ depends little on the class (Sixt, Granz and Landgraf, *When Explanations Lie: Why Many Modified BP
/// Attributions Fail*, 2020).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lrp {
    /// The rules of the layers.
    pub preset: Preset,
}

/// Sets of rules for [`Lrp`], named after the rules of the fully connected layers, of the convolutions, and of the layer
/// that reads the image. Those with z⁺, γ or α = 2 are composites of the program *zennit*, and *iNNvestigate*'s presets A
/// (z⁺) and B (α = 2), whose ε is 0.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// ε everywhere.
    Epsilon,
    /// ε and z⁺.
    EpsilonPlus,
    /// ε and z⁺, and the flat rule at the image.
    EpsilonPlusFlat,
    /// ε and z⁺, and zᴮ between black and white at the image, or the flat rule if the model has no normalization.
    /// Montavon et al. 2019, §10.3, recommend it for pictures.
    #[default]
    EpsilonPlusBox,
    /// ε and γ = 0.25, and zᴮ at the image, as in the preset before.
    EpsilonGammaBox,
    /// ε and α = 2, β = 1.
    EpsilonAlpha2Beta1,
    /// ε and α = 2, β = 1, and the flat rule at the image.
    EpsilonAlpha2Beta1Flat,
}

/// The rule of the layer that reads the image, if it has its own.
enum First {
    Same,
    Flat,
    Box,
}

impl Preset {
    /// The rules of the preset.
    #[must_use]
    pub fn composite<T: Real>(self, model: &Model<T>) -> Composite<T> {
        match self {
            Self::Epsilon => Composite::everywhere(Epsilon::default()),
            Self::EpsilonPlus => composite(AlphaBeta::Z_PLUS, First::Same, model),
            Self::EpsilonPlusFlat => composite(AlphaBeta::Z_PLUS, First::Flat, model),
            Self::EpsilonPlusBox => composite(AlphaBeta::Z_PLUS, First::Box, model),
            Self::EpsilonGammaBox => composite(Gamma::default(), First::Box, model),
            Self::EpsilonAlpha2Beta1 => composite(AlphaBeta { alpha: 2.0 }, First::Same, model),
            Self::EpsilonAlpha2Beta1Flat => composite(AlphaBeta { alpha: 2.0 }, First::Flat, model),
        }
    }
}

/// ε, and other rules in the convolutions and in the layer that reads the image.
fn composite<T: Real>(convolutions: impl LrpRule<T> + 'static, first: First, model: &Model<T>) -> Composite<T> {
    let composite = Composite::everywhere(Epsilon::default()).with(Layers::Convolutions, convolutions);
    match (first, ZBox::of_pictures(model)) {
        (First::Same, _) => composite,
        (First::Box, Some(z_box)) => composite.with(Layers::First, z_box),
        (First::Box, None) | (First::Flat, _) => composite.with(Layers::First, Flat),
    }
}

impl<T: Real> Method<T> for Lrp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        self.preset.composite(pass.model()).check(pass)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        self.preset.composite(question.pass().model()).explain(question)
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

impl<T: Real> Method<T> for Composite<T> {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        pass.check_rule(&self.on(pass.tape(), pass.forward().input())?)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        let rule = self.on(pass.tape(), pass.forward().input())?;
        let relevance = rule.relevance(pass.input(), question.arriving(&rule)?.0);
        let maps = pass.pixel_maps(ABOUT.quantity, &relevance, &relevance).into_iter();
        Ok(maps.map(|map| Map { coverage: Some(rule.coverage()), ..map }).collect())
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Array3, Axis};
    use super::Lrp;
    use super::super::tests::{BOUND, convolution, near_each, taps, with_network};

    pub(crate) fn check() {
        // ε in the fully connected layer, z⁺ in the second convolution, the flat rule at the image, in loops.
        const EPSILON: f64 = 1e-6;
        with_network(|pass, x| {
            let value = |name: &str| pass.model().parameter(name).unwrap();
            let (w1, w2, fc) = (value("conv1.weight"), value("conv2.weight"), value("fc.weight").view());
            let [b2, bias] = ["conv2.bias", "fc.bias"].map(|name| value(name).as_slice());
            let f1 = convolution(x, w1, value("conv1.bias").as_slice()).mapv(|v| v.max(0.0));
            let f2 = convolution(&f1, w2, b2).mapv(|v| v.clamp(0.0, BOUND));
            let (height, width, _) = x.dim();
            for class in 0..3 {
                let pooled = f2.mean_axis(Axis(0)).unwrap().mean_axis(Axis(0)).unwrap();
                let y = bias[class] + (0..5).map(|c| pooled[c] * fc[[c, class]]).sum::<f64>();
                let share = y / (y + EPSILON * y.signum());
                // Each feature's part of the score, and each position's part of the mean.
                let r2 = Array3::from_shape_fn(f2.dim(), |at| f2[at] * fc[[at.2, class]] * share / (height * width) as f64);
                let mut z = Array3::from_shape_fn(f2.dim(), |(_, _, o)| b2[o].max(0.0));
                let each = |from: usize, to: usize| (0..from).flat_map(move |c| (0..to).map(move |o| (c, o)));
                for [[i, j], [u, v], [k, l]] in taps([height, width]) {
                    each(4, 5).for_each(|(c, o)| z[[i, j, o]] += f1[[k, l, c]] * w2.view()[[u, v, c, o]].max(0.0));
                }
                let mut r1 = Array3::<f64>::zeros(f1.dim());
                let mut read = Array2::<f64>::zeros((height, width));
                for [[i, j], [u, v], [k, l]] in taps([height, width]) {
                    for (c, o) in each(4, 5).filter(|&(_, o)| z[[i, j, o]] > 0.0) {
                        r1[[k, l, c]] += f1[[k, l, c]] * w2.view()[[u, v, c, o]].max(0.0) * r2[[i, j, o]] / z[[i, j, o]];
                    }
                    read[[i, j]] += 2.0;
                }
                let mut expected = Array3::<f64>::zeros(x.dim());
                for [[i, j], _, [k, l]] in taps([height, width]) {
                    let arriving: f64 = (0..4).map(|c| r1[[i, j, c]]).sum();
                    (0..2).for_each(|c| expected[[k, l, c]] += arriving / read[[i, j]]);
                }
                near_each(pass.why(class).explain(&Lrp::default()).unwrap().raw(), &expected, "LRP");
            }
        });
    }
}
