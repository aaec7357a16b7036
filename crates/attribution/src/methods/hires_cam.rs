//! HiResCAM.

use ndarray::{Array2, ArrayView3};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::shared::product_over_channels;
use super::prelude::*;

/// Features times gradients, position by position: `[h, w, C]` each → `[h, w]`.
///
/// ```text
/// M_ij = Σ_c g_ijc f_ijc
/// ```
///
/// Draelos and Carin, *Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks*,
/// 2020, eq. 5. If only linear layers follow, the map's sum plus the biases' part is the score. Before global average
/// pooling, the map equals Grad-CAM's.
#[must_use]
pub fn hires_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    product_over_channels(features, gradients, |g| g)
}

static ABOUT: About = About {
    id: "hires-cam",
    title: "HiResCAM",
    source: "Draelos and Carin 2020",
    formula: "features times gradients, position by position",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which cells raise the score, each by its own gradient: by exactly how much, if one linear layer follows",
    does_not_tell: "how cells act together, if more than one layer lies between them and the score",
    elsewhere: &["HiResCAM"],
    chapter: "chapter_09_cam",
};

/// [`hires_cam`] at any layer whose output has positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HiResCam;

impl<T: Real> Method<T> for HiResCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_features(ABOUT.quantity, hires_cam)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::family;

    pub(crate) fn check() {
        family(&super::HiResCam, super::hires_cam, |_, g, cell| g[cell]);
    }
}
