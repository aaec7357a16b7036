//! VarGrad.

use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SmoothGrad;
use super::noisy::noisy_gradients;
use super::prelude::*;
use super::settings::to_value;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "var-grad",
    title: "VarGrad",
    source: "Adebayo et al. 2018",
    formula: "the variance of the gradient over noisy copies of the image",
    looks_at: LooksAt::Input,
    quantity: Quantity::Magnitude,
    cost: Cost::Gradients,
    tells: "where the gradient changes most over a neighbourhood of noisy pictures",
    does_not_tell: "whether a pixel speaks for the class or against it: a variance has no sign",
    elsewhere: &["NoiseTunnel(Saliency), nt_type \"vargrad\""],
    chapter: "chapter_11_other_readings",
};

/// VarGrad: the variance of the gradients at noisy copies of the image, 1/n Σ (g_k − mean)², `[H, W, C]`, never
/// negative. (Adebayo, Gilmer, Goodfellow and Kim, *Local Explanation Methods for Deep Neural Networks Lack Sensitivity
/// to Parameter Values*, 2018.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VarGrad(
    /// The settings of the noisy copies, as for [`SmoothGrad`].
    pub SmoothGrad,
);

impl<T: Real> Method<T> for VarGrad {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        self.0.check(pass)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        noisy_gradients(question, ABOUT.quantity, self.0.checked()?, |_, variance| variance)
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array3;
    use super::{SmoothGrad, VarGrad};
    use super::super::noisy::tests::{SAMPLES, noisy};
    use super::super::tests::{maps, near_each, with_pass};
    use crate::testing::INPUT;

    pub(crate) fn check() {
        let settings = VarGrad(SmoothGrad { samples: SAMPLES, relative_sigma: 0.2, seed: 4 });
        with_pass(|pass| {
            for (n, map) in maps(pass, "pool", &settings).iter().enumerate() {
                let gradients = noisy(pass, n);
                let mean = gradients.iter().fold(Array3::<f64>::zeros(INPUT), |sum, g| sum + g) / SAMPLES as f64;
                let squares = gradients.iter().map(|g| (g - &mean).mapv(|d| d * d));
                let variance = squares.fold(Array3::zeros(INPUT), |sum, square| sum + square) / SAMPLES as f64;
                near_each(map.raw(), &variance, "VarGrad");
            }
        });
    }
}
