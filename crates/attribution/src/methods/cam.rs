//! Class activation mapping.

use ndarray::{Array2, ArrayView3};
use nn::{GapHead, Model, Real};
use serde::{Deserialize, Serialize};

use super::prelude::*;
use super::shared::weighted_sum;
use crate::layer::LayerRef;
use crate::pass::{Pass, of_image};

/// M_CAM = Σ_c w_c^class f^K_c, signed, without bias and ReLU. f^K `[h, w, C]`, w^class `[C]` → `[h, w]`.
///
/// Zhou, Khosla, Lapedriza, Oliva and Torralba, *Learning Deep Features for Discriminative Localization*, 2016, eq. 2.
#[must_use]
pub fn cam<T: Real>(features: ArrayView3<T>, weights: &[T]) -> Array2<T> {
    weighted_sum(features, weights)
}

static ABOUT: About = About {
    id: "cam",
    title: "CAM",
    source: "Zhou et al. 2016",
    formula: "the last features, weighted by the class's weights; needs global average pooling and one fully connected layer",
    looks_at: LooksAt::Head,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "how much each cell of the last feature map adds to the score: their mean and the bias are the score",
    does_not_tell: "what in a cell counts, or anything finer than a cell, which sees far more of the picture than it covers",
    elsewhere: &["CAM"],
    chapter: "chapter_09_cam",
};

/// CAM: the last feature map, weighted by the class's weights in the fully connected layer ([`cam`]).
///
/// The model must end in global average pooling and one fully connected layer. Then the mean of the map plus the bias
/// *is* the class score, and the map is Grad-CAM's times the number of positions. For a target other than a single
/// class, the weights are the same combination of the classes' weights (for a function of the logits, to first order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cam;

impl<T: Real> Method<T> for Cam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        head(pass.model()).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let (pass, model) = (question.pass(), question.pass().model());
        let head = head(model)?;
        let weight = model.parameter(&format!("{}.weight", model.layers()[head.linear].name));
        let weight = weight.expect("a fully connected layer has weights").as_slice(); // [C, classes]
        let seed = question.seed()?;
        if seed.layer != head.linear {
            return Err(ExplainError::NotAScore { method: ABOUT.title });
        }
        let classes = model.scores();
        let features = pass.features(pass.spatial(LayerRef::Index(head.features))?);
        let map = |image: usize| {
            let coefficients = &seed.gradient.as_slice()[image * classes..][..classes];
            let combined = |row: &[T]| {
                let terms = row.iter().zip(coefficients).filter(|(_, c)| !c.is_zero());
                terms.map(|(&w, &c)| w * c).sum()
            };
            let weights: Vec<T> = weight.chunks_exact(classes).map(combined).collect();
            let zero = weights.iter().all(|w| w.is_zero());
            pass.cell_map(image, ABOUT.quantity, head.features, cam(of_image(&features, image), &weights), zero)
        };
        Ok((0..pass.images()).map(map).collect())
    }
}

fn head<T: Real>(model: &Model<T>) -> Result<GapHead, ExplainError> {
    model.gap_head().ok_or_else(|| {
        let layers = model.layers();
        let last = layers[layers.len().saturating_sub(3)..].iter().map(|node| node.layer.to_string());
        ExplainError::NoGapHead { found: last.collect::<Vec<_>>().join(" → ") }
    })
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array2;
    use super::super::tests::{features, maps, near, with_pass};

    pub(crate) fn check() {
        with_pass(|pass| {
            let weight = pass.model().parameter("fc.weight").unwrap().view();
            for (index, map) in maps(pass, "pool", &super::Cam).iter().enumerate() {
                let f = features(pass, "pool", index);
                let expected =
                    Array2::from_shape_fn((4, 4), |(i, j)| (0..4).map(|c| weight[[c, 1]] * f[[i, j, c]]).sum());
                near(&map.per_cell(), &expected, "CAM");
            }
        });
    }
}
