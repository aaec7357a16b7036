//! LayerCAM.

use ndarray::{Array2, ArrayView3};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::shared::product_over_channels;
use super::prelude::*;

/// Features times positive gradients, position by position: `[h, w, C]` each → `[h, w]`.
///
/// ```text
/// M_ij = Σ_c ReLU(g_ijc) f_ijc        (eqs. 5 and 6)
/// ```
///
/// Jiang, Zhang, Hou, Cheng and Wei, *LayerCAM: Exploring Hierarchical Class Activation Maps for Localization*, 2021.
/// Unlike Grad-CAM, which has a weight for each channel, it has a weight for each position. It was designed for layers
/// near the image.
#[must_use]
pub fn layer_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    product_over_channels(features, gradients, |g| if g < T::zero() { T::zero() } else { g })
}

static ABOUT: About = About {
    id: "layer-cam",
    title: "LayerCAM",
    source: "Jiang et al. 2021",
    formula: "features times positive gradients, position by position",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which cells raise the score, in early and finer layers too",
    does_not_tell: "what speaks against the class: negative gradients are left out",
    elsewhere: &["LayerCAM"],
    chapter: "chapter_09_cam",
};

/// [`layer_cam`] at any layer whose output has positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerCam;

impl<T: Real> Method<T> for LayerCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_features(ABOUT.quantity, layer_cam)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::family;

    pub(crate) fn check() {
        family(&super::LayerCam, super::layer_cam, |_, g, cell| g[cell].max(0.0));
    }
}
