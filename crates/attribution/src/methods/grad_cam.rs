//! Grad-CAM.

use ndarray::{Array2, ArrayView3};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::shared::{channels, sum, weighted_sum};
use super::prelude::*;

/// Each channel weighted by its mean gradient, before the ReLU: features and gradients `[h, w, C]` → `[h, w]`.
///
/// ```text
/// a_c = 1/Z Σ_ij ∂S/∂f_ijc,    Z = h·w        (eq. 1)
/// M   = Σ_c a_c f_c                            (eq. 2, whose ReLU is left to the display)
/// ```
///
/// Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, *Grad-CAM: Visual Explanations from Deep Networks via
/// Gradient-based Localization*, 2017. The paper uses the last convolutional layer, where a channel's gradients are
/// most similar across positions. Nearer the image, their mean is less informative.
#[must_use]
pub fn grad_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    let (h, w, _) = gradients.dim();
    let positions = T::from_f64((h * w) as f64);
    let weights: Vec<T> = channels(&gradients).map(|g| sum(g.iter().copied()) / positions).collect();
    weighted_sum(features, &weights)
}

static ABOUT: About = About {
    id: "grad-cam",
    title: "Grad-CAM",
    source: "Selvaraju et al. 2017",
    formula: "features, each channel weighted by its mean gradient",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which cells of a layer hold the features that raise the score, each feature weighted by its mean gradient",
    does_not_tell: "how much each cell adds, except after global average pooling: the mean hides positions that disagree",
    elsewhere: &["GradCAM", "LayerGradCam"],
    chapter: "chapter_09_cam",
};

/// [`grad_cam`] at any layer whose output has positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradCam;

impl<T: Real> Method<T> for GradCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_features(ABOUT.quantity, grad_cam)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::{cells, family};

    pub(crate) fn check() {
        family(&super::GradCam, super::grad_cam, |_, g, [_, _, c]| {
            let (h, w, _) = g.dim();
            cells(h, w).map(|(a, b)| g[[a, b, c]]).sum::<f64>() / (h * w) as f64
        });
    }
}
