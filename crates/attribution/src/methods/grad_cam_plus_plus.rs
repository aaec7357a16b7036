//! Grad-CAM++.

use ndarray::{Array2, ArrayView2, ArrayView3};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::shared::{channels, sum, weighted_sum};
use super::prelude::*;

/// Added to the denominator of a_ijc, which is zero if the gradient is.
const EPSILON: f64 = 1e-6;

/// Each channel weighted by its positive gradients, which in turn are weighted by coefficients a such that the score is
/// a weighted sum of the features: features and gradients `[h, w, C]` → `[h, w]`. With g = ∂S/∂f, and e^S as the
/// differentiated score (its derivatives are e^S·g, e^S·g², e^S·g³):
///
/// ```text
/// a_ijc = g_ijc² / (2 g_ijc² + g_ijc³ Σ_ab f_abc + 10⁻⁶), and 0 where g_ijc = 0       (eq. 19)
/// w_c   = Σ_ij a_ijc ReLU(g_ijc)                                                       (eq. 6)
/// M     = Σ_c w_c f_c
/// ```
///
/// All weights have a common factor e^S, which is left out. (Chattopadhay, Sarkar, Howlader and Balasubramanian,
/// *Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks*, 2018.)
#[must_use]
pub fn grad_cam_plus_plus<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    let weight = |(f, g): (ArrayView2<T>, ArrayView2<T>)| {
        let total = sum(f.iter().copied());
        sum(g.iter().map(|&g| {
            let square = g * g;
            let denominator = square + square + total * square * g + T::from_f64(EPSILON);
            if g > T::zero() { square / denominator * g } else { T::zero() }
        }))
    };
    let weights: Vec<T> = channels(&features).zip(channels(&gradients)).map(weight).collect();
    weighted_sum(features, &weights)
}

static ABOUT: About = About {
    id: "grad-cam++",
    title: "Grad-CAM++",
    source: "Chattopadhay et al. 2018",
    formula: "features, each channel weighted by its positive gradients, the rarer the more",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which cells hold features that raise the score, with small objects and several of a kind weighted up",
    does_not_tell: "how much each cell adds: its weights rest on an exponential of the score, not on the score itself",
    elsewhere: &["GradCAMPlusPlus", "GradCAMpp"],
    chapter: "chapter_09_cam",
};

/// [`grad_cam_plus_plus`] at any layer whose output has positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradCamPlusPlus;

impl<T: Real> Method<T> for GradCamPlusPlus {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_features(ABOUT.quantity, grad_cam_plus_plus)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::{cells, family};

    pub(crate) fn check() {
        family(&super::GradCamPlusPlus, super::grad_cam_plus_plus, |f, g, [_, _, c]| {
            let (h, w, _) = g.dim();
            let total: f64 = cells(h, w).map(|(a, b)| f[[a, b, c]]).sum();
            let alpha = |g: f64| if g == 0.0 { 0.0 } else { g.powi(2) / (2.0 * g.powi(2) + total * g.powi(3) + 1e-6) };
            cells(h, w).map(|(a, b)| alpha(g[[a, b, c]]) * g[[a, b, c]].max(0.0)).sum()
        });
    }
}
