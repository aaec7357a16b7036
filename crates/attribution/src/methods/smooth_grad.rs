//! SmoothGrad.

use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::noisy::noisy_gradients;
use super::prelude::*;
use super::settings::to_value;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "smooth-grad",
    title: "SmoothGrad",
    source: "Smilkov et al. 2017",
    formula: "the mean gradient over noisy copies of the image",
    looks_at: LooksAt::Input,
    quantity: Quantity::Sensitivity,
    cost: Cost::Gradients,
    tells: "to which pixel values the score is sensitive over a neighbourhood of noisy pictures",
    does_not_tell: "which pixels made the score what it is",
    elsewhere: &["NoiseTunnel(Saliency), nt_type \"smoothgrad\"", "SmoothGradCAMpp"],
    chapter: "chapter_11_other_readings",
};

/// SmoothGrad: the mean of the gradients at noisy copies of the image, `[H, W, C]`. (Smilkov, Thorat, Kim, Viégas and
/// Wattenberg, *SmoothGrad: removing noise by adding noise*, 2017.)
///
/// ```text
/// M = 1/n Σ_k ∂S/∂x (x + ε_k),    ε_k ~ N(0, σ²),    σ = relative_sigma · (max x − min x)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmoothGrad {
    /// Number of noisy copies of each image, n.
    pub samples: usize,
    /// The noise's standard deviation, relative to the range of the image's values. In the paper, 0.1 to 0.2 works
    /// well.
    pub relative_sigma: f64,
    /// The seed. Every image gets the same noise.
    pub seed: u64,
}

impl Default for SmoothGrad {
    fn default() -> Self {
        Self { samples: 50, relative_sigma: 0.15, seed: 0 }
    }
}

impl SmoothGrad {
    pub(super) fn checked(self) -> Result<Self, ExplainError> {
        let Self { samples, relative_sigma, .. } = self;
        if samples == 0 || !(relative_sigma >= 0.0 && relative_sigma.is_finite()) {
            return Err(ExplainError::Setting(format!(
                "expected samples of at least 1 and a relative_sigma of at least 0, found {samples} and {relative_sigma}"
            )));
        }
        Ok(self)
    }
}

impl<T: Real> Method<T> for SmoothGrad {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, _: &Pass<'_, T>) -> Result<(), ExplainError> {
        self.checked().map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        noisy_gradients(question, ABOUT.quantity, self.checked()?, |mean, _| mean)
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array3;
    use super::SmoothGrad;
    use super::super::noisy::tests::{SAMPLES, noisy};
    use super::super::tests::{gradient, image, maps, near_each, with_pass};
    use crate::testing::INPUT;

    pub(crate) fn check() {
        let settings = SmoothGrad { samples: SAMPLES, relative_sigma: 0.2, seed: 4 };
        with_pass(|pass| {
            for (n, map) in maps(pass, "pool", &settings).iter().enumerate() {
                let mean = noisy(pass, n).iter().fold(Array3::<f64>::zeros(INPUT), |sum, g| sum + g) / SAMPLES as f64;
                near_each(map.raw(), &mean, "SmoothGrad");
            }
            let still = maps(pass, "pool", &SmoothGrad { relative_sigma: 0.0, ..settings });
            near_each(still[0].raw(), &gradient(pass, &image(pass, 0)), "without noise");
        });
    }
}
