//! Finer-CAM.

use nn::layers::{Apply, Softmax};
use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::Var;
use tensor::ops::concat;

use super::grad_cam::grad_cam;
use super::prelude::*;
use super::settings::to_value;
use crate::layer::LayerRef;
use crate::pass::{Pass, one_of};
use crate::target::Target;

static ABOUT: About = About {
    id: "finer-cam",
    title: "Finer-CAM",
    source: "Zhang et al. 2025",
    formula: "Grad-CAM of how far the score is above those of the most similar classes",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which cells of a layer tell the class from those that the network finds most similar",
    does_not_tell: "what the class shares with them, which may be most of its evidence; nor what Grad-CAM's mean hides",
    elsewhere: &["FinerCAM"],
    chapter: "chapter_09_cam",
};

/// Finer-CAM: Grad-CAM of a score that is compared with those of similar classes. (Zhang, Gu, Chen, Zhang, Chen, Berger-Wolf and
/// Chao, *Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation*, 2025, §3.3.)
///
/// ```text
/// S′ = Σ_k w_k (S − α S_k),    w = softmax(S_1, …, S_n)
/// ```
///
/// with S_1, …, S_n the scores of other classes that are nearest to S. The weights are part of S′, so its gradient is that of the
/// program *pytorch-grad-cam*, which adds 10⁻⁹ to the sum of the classes' probabilities that it divides by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinerCam {
    /// How much the others count, α. With 0 it is Grad-CAM.
    pub alpha: f64,
    /// Number of classes to compare with, n; at most all others.
    pub classes: usize,
}

impl Default for FinerCam {
    fn default() -> Self {
        Self { alpha: 1.0, classes: 3 }
    }
}

/// The classes outside the target whose scores are nearest to its own, nearest first.
fn nearest<T: Real>(scores: &[T], coefficients: &[T]) -> Vec<usize> {
    let own: T = tensor::pairwise_sum(&scores.iter().zip(coefficients).map(|(&s, &c)| s * c).collect::<Vec<_>>());
    let mut others: Vec<usize> = (0..scores.len()).filter(|&class| coefficients[class].is_zero()).collect();
    others.sort_by(|&a, &b| (scores[a] - own).abs().as_f64().total_cmp(&(scores[b] - own).abs().as_f64()));
    others
}

impl FinerCam {
    /// S′ as a target.
    fn target<T: Real>(self, question: &Question<'_, T>) -> Result<Target<T>, ExplainError> {
        let (pass, coefficients) = (question.pass(), question.scores_seed(ABOUT.title)?.gradient);
        let others = |image| nearest(one_of(pass.logits(), image), one_of(&coefficients, image));
        let others: Vec<Vec<usize>> = (0..pass.images()).map(others).collect();
        let count = others.iter().map(Vec::len).min().unwrap_or(0).min(self.classes);
        if count == 0 {
            return Err(ExplainError::Setting("Finer-CAM compares the target with other classes, found none: use Grad-CAM".into()));
        }
        let alpha = self.alpha;
        Ok(Target::function(move |scores: &Var<T>| {
            let images = scores.shape()[0];
            let own = scores.mul(&scores.tape().leaf(coefficients.clone())).sum_axes(&[1]).reshape([images, 1]);
            let column = |k: usize| {
                let classes: Vec<usize> = others.iter().map(|others| others[k]).collect();
                scores.pick_each(&classes).reshape([images, 1])
            };
            let columns: Vec<Var<T>> = (0..count).map(column).collect();
            let others = concat(&columns.iter().collect::<Vec<_>>(), 1);
            let above = own.sub(&others.mul_scalar(alpha));
            others.apply(Softmax).mul(&above).sum_axes(&[1])
        }))
    }
}

impl<T: Real> Method<T> for FinerCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        if self.classes == 0 || !self.alpha.is_finite() {
            return Err(ExplainError::Setting(format!(
                "expected classes of at least 1 and a finite alpha, found {} and {}",
                self.classes, self.alpha
            )));
        }
        match pass.logits().shape()[..] {
            [_, 2..=usize::MAX] => pass.spatial(LayerRef::Last).map(|_| ()),
            _ => Err(ExplainError::Setting(format!(
                "Finer-CAM compares the scores of classes, found {:?}: use Grad-CAM",
                &pass.logits().shape()[1..]
            ))),
        }
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        self.check(question.pass())?;
        question.about(self.target(question)?).maps_from_features(ABOUT.quantity, grad_cam)
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array2;
    use nn::Model;
    use nn::layers::{Conv2d, GlobalAvgPool, Linear};
    use tensor::Tensor;

    use super::super::tests::{maps, near, with_pass};
    use super::super::GradCam;
    use super::FinerCam;
    use crate::testing::wave;
    use crate::{Pass, Target};

    pub(crate) fn check() {
        // Grad-CAM is linear in the gradient of the scores, so the map is a sum of maps of single classes.
        with_pass(|pass| {
            for (classes, alpha) in [(1, 1.0), (2, 1.0), (2, 0.6), (9, 0.0)] {
                let found = pass.why([2, 0]).at("sum").explain_each(&FinerCam { alpha, classes }).unwrap();
                for (image, own) in [2, 0].into_iter().enumerate() {
                    let score = |class: usize| pass.logits().view()[[image, class]];
                    let mut others: Vec<usize> = (0..3).filter(|&class| class != own).collect();
                    others.sort_by(|&a, &b| (score(a) - score(own)).abs().total_cmp(&(score(b) - score(own)).abs()));
                    others.truncate(classes);
                    let sum: f64 = others.iter().map(|&k| score(k).exp()).sum();
                    let weight = |k: usize| score(k).exp() / sum;
                    let total: f64 = others.iter().map(|&k| weight(k) * (score(own) - alpha * score(k))).sum();
                    let map = |class: usize| pass.why(class).at("sum").explain_each(&GradCam).unwrap()[image].per_cell();
                    // ∂S′/∂S = 1, ∂S′/∂S_k = w_k (S − α S_k − S′) − α w_k.
                    let add = |sum: Array2<f64>, &k: &usize| {
                        sum + map(k) * (weight(k) * (score(own) - alpha * score(k) - total) - alpha * weight(k))
                    };
                    near(&found[image].per_cell(), &others.iter().fold(map(own), add), "Finer-CAM");
                }
            }
            let plain = maps(pass, "sum", &FinerCam { alpha: 0.0, classes: 1 });
            near(&plain[0].per_cell(), &maps(pass, "sum", &GradCam)[0].per_cell(), "α = 0, one class: Grad-CAM");
            let refused = |target: Target<f64>| pass.why(target).explain_each(&FinerCam::default()).unwrap_err().to_string();
            assert!(refused(Target::several([0, 1, 2])).contains("with other classes, found none: use Grad-CAM"));
            assert!(refused(Target::unit(crate::Unit::new("relu1", 0))).contains("explains the scores of the last layer only"));
        });
        let single = Model::builder([4, 4, 1]).layer("conv", Conv2d::new(2, 3)).layer("gap", GlobalAvgPool);
        let single: Model<f64> = single.layer("fc", Linear::new(1)).build(1).unwrap().cast();
        let image: Tensor<f64> = wave([1, 4, 4, 1], 1.0);
        let refused = Pass::new(&single, image).unwrap().why(0).explain(&FinerCam::default()).unwrap_err().to_string();
        assert!(refused.contains("Finer-CAM compares the scores of classes, found [1]: use Grad-CAM"), "{refused}");
    }
}
