//! Score-CAM.

use ndarray::Axis;
use nn::Real;
use serde::{Deserialize, Serialize};

use super::by_channel::by_channel;
use super::prelude::*;
use crate::map::{Alignment, upsample};
use crate::pass::softmax;

static ABOUT: About = About {
    id: "score-cam",
    title: "Score-CAM",
    source: "Wang et al. 2020",
    formula: "features, each channel weighted by the score of the image seen through it",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::EachChannel,
    tells: "which cells hold features that raise the score when only their places are left visible",
    does_not_tell: "how the network reacts to the picture as it is: masked pictures are unlike those that it was trained on",
    elsewhere: &["ScoreCAM"],
    chapter: "chapter_09_cam",
};

/// Score-CAM: each channel weighted by the score of the image masked by it. (Wang, Wang, Du, Yang, Zhang, Ding,
/// Mardziel and Hu, *Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks*, 2020.)
///
/// ```text
/// mask_c = f_c upsampled to the image, then scaled to [0, 1]      (eqs. 4 and 5)
/// a      = softmax over the channels of S(x ⊙ mask_c)             (Algorithm 1)
/// M      = Σ_c a_c f_c                                             (eq. 6, whose ReLU is left to the display)
/// ```
///
/// The model is run once for each channel. A channel that is constant masks the whole image. Because of the softmax,
/// the weights depend on the scale of the scores: with large scores, one channel gets nearly all the weight. (The
/// paper's score is the increase over a black image's. That term is the same for all channels, so it cancels in the
/// softmax.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreCam;

impl<T: Real> Method<T> for ScoreCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let (pass, model) = (question.pass(), question.pass().model());
        let [height, width, colours] = model.input_shape();
        by_channel(question, |runner, target, channels| {
            let through = |c: usize, values: &mut [T]| {
                let mask = upsample(channels.features.index_axis(Axis(2), c), height, width, Alignment::HalfPixel);
                let min = mask.iter().copied().fold(T::infinity(), T::min);
                let range = mask.iter().copied().fold(T::neg_infinity(), T::max) - min;
                for (pixel, &m) in values.chunks_exact_mut(colours).zip(&mask) {
                    let open = if range > T::zero() { (m - min) / range } else { T::zero() };
                    pixel.iter_mut().for_each(|x| *x *= open);
                }
            };
            let seen = pass.variants(channels.image, channels.count());
            let mut weights = runner.scores(target, &seen, through, |x| target.predict(model, x))?;
            softmax(&mut weights);
            Ok(weights)
        })
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Array3, Axis};
    use super::super::tests::{features, image, maps, near, score, with_pass};
    use crate::map::{Alignment, upsample};
    use crate::testing::INPUT;

    pub(crate) fn check() {
        with_pass(|pass| {
            let (x, f) = (image(pass, 0), features(pass, "pool", 0));
            let scores: Vec<f64> = (0..4)
                .map(|c| {
                    let large = upsample(f.index_axis(Axis(2), c), 9, 8, Alignment::HalfPixel);
                    let (min, max) = large.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
                    let mask = |v: f64| if max > min { (v - min) / (max - min) } else { 0.0 };
                    score(pass, &Array3::from_shape_fn(INPUT, |(i, j, k)| x[[i, j, k]] * mask(large[[i, j]])))
                })
                .collect();
            let total: f64 = scores.iter().map(|s| s.exp()).sum();
            let expected =
                Array2::from_shape_fn((4, 4), |(i, j)| (0..4).map(|c| scores[c].exp() / total * f[[i, j, c]]).sum());
            near(&maps(pass, "pool", &super::ScoreCam)[0].per_cell(), &expected, "Score-CAM");
        });
    }
}
