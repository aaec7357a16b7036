//! Grad-CAM.

use ndarray::{Array2, ArrayView3};
use nn::Real;

use crate::methods::{channels, sum, weighted_sum};

/// Each channel weighted by its mean gradient, before the ReLU: features and gradients `[h, w, C]` → `[h, w]`.
///
/// ```text
/// a_c = 1/Z Σ_ij ∂S/∂f_ijc,    Z = h·w        (eq. 1)
/// M   = Σ_c a_c f_c                            (eq. 2, whose ReLU is left to the display)
/// ```
///
/// Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, *Grad-CAM: Visual Explanations from Deep Networks via
/// Gradient-based Localization*, 2017. The paper looks at the last convolutional layer, where a channel's gradients agree
/// most among positions; nearer the image their mean says less.
#[must_use]
pub fn grad_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    let (h, w, _) = gradients.dim();
    let positions = T::from_f64((h * w) as f64);
    let weights: Vec<T> = channels(&gradients).map(|g| sum(g.iter().copied()) / positions).collect();
    weighted_sum(features, &weights)
}
