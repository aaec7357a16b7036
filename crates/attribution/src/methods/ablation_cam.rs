//! Ablation-CAM.

use ndarray::{ArrayView2, Axis};
use nn::{Real, Source};
use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::by_channel::{Channels, by_channel};
use super::prelude::*;
use crate::pass::{Variants, one_of};

static ABOUT: About = About {
    id: "ablation-cam",
    title: "Ablation-CAM",
    source: "Desai and Ramaswamy 2020",
    formula: "features, each channel weighted by how much the score falls without it",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::EachChannel,
    tells: "which cells hold features whose loss lowers the score",
    does_not_tell: "what features do together: each is taken away by itself",
    elsewhere: &["AblationCAM"],
    chapter: "chapter_09_cam",
};

/// Ablation-CAM: each channel weighted by how much the score falls without it. (Desai and Ramaswamy, *Ablation-CAM:
/// Visual Explanations for Deep Convolutional Network via Gradient-free Localization*, 2020.)
///
/// ```text
/// w_c = (S − S_c) / S,    S_c the score with f_c set to zero      (eq. 3)
/// M   = Σ_c w_c f_c                                                (eq. 5, whose ReLU is left to the display)
/// ```
///
/// The layers after this one are run once for each channel. The map is divided by |S|, since the paper's division by a
/// negative S would reverse it. If S is zero, the map isn't divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AblationCam;

impl<T: Real> Method<T> for AblationCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        let whole = pass.scores(question.target().clone())?;
        by_channel(question, |runner, target, channels| {
            let &Channels { layer, image, .. } = channels;
            // All positions of the layer, those that aren't on its grid included.
            let values = pass.var(Source::Layer(layer)).value();
            let positions = ArrayView2::from_shape((values.len() / pass.images() / channels.count(), channels.count()), one_of(values, image));
            let original = positions.expect("a tensor is contiguous").insert_axis(Axis(0));
            let without = |c: usize, values: &mut [T]| {
                values.iter_mut().skip(c).step_by(channels.count()).for_each(|f| *f = T::zero());
            };
            let ablated = Variants { image, original, count: channels.count() };
            let shape = &values.shape()[1..];
            let run = |batch: Tensor<T>| {
                let batch = batch.reshape(&[&batch.shape()[..1], shape].concat()[..]);
                Ok(pass.model().resume(layer, target.layer, &batch, pass.forward(), image))
            };
            let scores = runner.scores(target, &ablated, without, run)?;
            let scale = if whole[image].is_zero() { T::one() } else { whole[image].abs() };
            Ok(scores.into_iter().map(|score| (whole[image] - score) / scale).collect())
        })
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Axis};
    use super::super::tests::{features, maps, near, with_pass};

    pub(crate) fn check() {
        with_pass(|pass| {
            let (w, b) = (pass.model().parameter("fc.weight").unwrap(), pass.model().parameter("fc.bias").unwrap());
            for (n, map) in maps(pass, "pool", &super::AblationCam).iter().enumerate() {
                let f = features(pass, "pool", n);
                // This layer is followed by a mean and one linear layer.
                let score = |without: Option<usize>| {
                    let kept = (0..4).filter(|&c| Some(c) != without);
                    let terms = kept.map(|c| w.view()[[c, 1]] * f.index_axis(Axis(2), c).mean().unwrap());
                    b.as_slice()[1] + terms.sum::<f64>()
                };
                let whole = score(None);
                let weight = |c: usize| (whole - score(Some(c))) / whole.abs();
                let expected = Array2::from_shape_fn((4, 4), |(i, j)| (0..4).map(|c| weight(c) * f[[i, j, c]]).sum());
                near(&map.per_cell(), &expected, "Ablation-CAM");
            }
        });
    }
}
