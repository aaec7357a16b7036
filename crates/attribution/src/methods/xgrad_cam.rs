//! XGrad-CAM.

use ndarray::{Array2, ArrayView2, ArrayView3};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::shared::{channels, sum, weighted_sum};
use super::prelude::*;

/// Added to a channel's sum, which may be zero.
const EPSILON: f64 = 1e-7;

/// Each channel weighted by the mean of its gradients, which in turn are weighted by the features: `[h, w, C]` each →
/// `[h, w]`.
///
/// ```text
/// w_c = Σ_ij f_ijc g_ijc / (Σ_ij f_ijc + 10⁻⁷)        (eq. 8)
/// M   = Σ_c w_c f_c
/// ```
///
/// Fu, Hu, Dong, Guo, Gao and Li, *Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs*, 2020.
/// Before a ReLU, a channel's features may nearly cancel, and then the weight is not meaningful.
#[must_use]
pub fn xgrad_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    let weight = |(f, g): (ArrayView2<T>, ArrayView2<T>)| {
        sum(f.iter().zip(g).map(|(&f, &g)| f * g)) / (sum(f.iter().copied()) + T::from_f64(EPSILON))
    };
    let weights: Vec<T> = channels(&features).zip(channels(&gradients)).map(weight).collect();
    weighted_sum(features, &weights)
}

static ABOUT: About = About {
    id: "xgrad-cam",
    title: "XGrad-CAM",
    source: "Fu et al. 2020",
    formula: "features, each channel weighted by its gradients, weighted in turn by the features",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which cells raise the score, with features weighted so that they come as near as they can to adding up to it",
    does_not_tell: "more than Grad-CAM where a channel's gradient is the same at every position, as after global average pooling: there the two agree",
    elsewhere: &["XGradCAM"],
    chapter: "chapter_09_cam",
};

/// [`xgrad_cam`] at any layer whose output has positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct XGradCam;

impl<T: Real> Method<T> for XGradCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_features(ABOUT.quantity, xgrad_cam)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::{cells, family};

    pub(crate) fn check() {
        family(&super::XGradCam, super::xgrad_cam, |f, g, [_, _, c]| {
            let (h, w, _) = g.dim();
            let total: f64 = cells(h, w).map(|(a, b)| f[[a, b, c]]).sum();
            cells(h, w).map(|(a, b)| f[[a, b, c]] / (total + 1e-7) * g[[a, b, c]]).sum()
        });
    }
}
