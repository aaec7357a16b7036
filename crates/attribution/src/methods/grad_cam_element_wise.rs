//! Grad-CAM element-wise.

use ndarray::{Array2, ArrayView3, Axis, Zip};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use super::shared::sum;

static ABOUT: About = About {
    id: "grad-cam-element-wise",
    title: "Grad-CAM element-wise",
    source: "Gildenblat et al. 2021",
    formula: "features times gradients, position by position, of which only positive products count",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which cells hold some feature that raises the score there",
    does_not_tell: "what speaks against the class at the same cell: negative products are left out",
    elsewhere: &["GradCAMElementWise"],
    chapter: "chapter_09_cam",
};

/// Grad-CAM element-wise, at any layer whose output has positions: features times gradients, position by position, without
/// the negative products. Features and gradients are `[h, w, C]`, the map is `[h, w]`.
///
/// ```text
/// M_ij = Σ_c ReLU(g_ijc f_ijc)
/// ```
///
/// `GradCAMElementWise` of pytorch-grad-cam (Gildenblat and contributors, 2021). A channel that speaks against the class at
/// a position takes nothing away from the channels that speak for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradCamElementWise;

impl<T: Real> Method<T> for GradCamElementWise {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_features(ABOUT.quantity, positive_products)
    }
}

fn positive_products<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    let positive = |(&f, &g): (&T, &T)| if f * g < T::zero() { T::zero() } else { f * g };
    let (features, gradients) = (features.lanes(Axis(2)), gradients.lanes(Axis(2)));
    Zip::from(features).and(gradients).map_collect(|f, g| sum(f.iter().zip(g).map(positive)))
}

/// The definition again, read literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::family;
    use super::{GradCamElementWise, positive_products};

    pub(crate) fn check() {
        family(&GradCamElementWise, positive_products, |f, g, cell| if f[cell] * g[cell] > 0.0 { g[cell] } else { 0.0 });
    }
}
