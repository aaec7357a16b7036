//! RefineCAM.

use ndarray::Array2;
use nn::Real;
use serde::{Deserialize, Serialize};

use super::GradCamPlusPlus;
use super::prelude::*;
use crate::layer::LayerRef;
use crate::map::{Alignment, upsample};

static ABOUT: About = About {
    id: "refine-cam",
    title: "RefineCAM",
    source: "Domeniconi et al. 2026",
    formula: "the product of the Grad-CAM++ maps of several layers, each scaled to [0, 1]",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "which places all of the chosen layers agree on: an early layer's detail without what later layers don't find there",
    does_not_tell: "anything that one of the layers misses; and of one layer it is Grad-CAM++",
    elsewhere: &["RefineCAM"],
    chapter: "chapter_09_cam",
};

/// RefineCAM: the product of the Grad-CAM++ maps of several layers, `[H, W]`. (Domeniconi et al., *How to Evaluate and Refine your
/// CAM*, 2026, as the program *pytorch-grad-cam* computes it.) Choose an early layer and later ones with [`Question::at_each`].
///
/// ```text
/// M = Π_l scaled(upsampled(scaled(M_l⁺))),    scaled(M) = (M − min M) / (max M − min M)
/// ```
///
/// The layers' maps are stretched over the input, edge to edge. Where the mean over several layers says that any of them is strong,
/// the product says that none is weak. The program adds 10⁻⁷ to each denominator; here a map without any difference is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefineCam;

/// From 0 to 1; zero if all values are the same.
fn scaled<T: Real>(map: Array2<T>) -> Array2<T> {
    let (least, most) = map.iter().fold((T::infinity(), T::neg_infinity()), |(l, m), &v| (l.min(v), m.max(v)));
    let range = most - least;
    map.mapv(|v| if range.is_zero() { T::zero() } else { (v - least) / range })
}

impl<T: Real> Method<T> for RefineCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        let [height, width, _] = pass.model().input_shape();
        let at = |layer| question.clone().at(LayerRef::Index(layer)).explain_each(&GradCamPlusPlus);
        let layers = question.spatial_layers()?.into_iter().map(at).collect::<Result<Vec<_>, _>>()?;
        let over_layers = |image: usize| {
            let maps = || layers.iter().map(|maps| &maps[image]);
            let over_input = |map: &Map<T>| {
                let cells = scaled(map.per_cell().mapv(|v| v.max(T::zero())));
                scaled(upsample(cells.view(), height, width, Alignment::HalfPixel))
            };
            let product = maps().map(over_input).reduce(|product, map| product * map).expect("there are layers");
            let map = pass.fine_map(image, ABOUT.quantity, product);
            // A layer whose map is no evidence leaves none.
            let without = maps().find(|map| !map.verdict.is_evidence()).map(|map| map.verdict.clone());
            Map { verdict: without.unwrap_or(map.verdict), layers: maps().flat_map(|map| map.layers.clone()).collect(), ..map }
        };
        Ok((0..pass.images()).map(over_layers).collect())
    }
}

/// The formulas of the program, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array2;

    use super::super::tests::{cells, maps, near, with_pass};
    use super::super::GradCamPlusPlus;
    use super::RefineCam;
    use crate::map::{Alignment, upsample};

    fn between(map: &Array2<f64>) -> Array2<f64> {
        let least = map.iter().copied().fold(f64::MAX, f64::min);
        let most = map.iter().copied().fold(f64::MIN, f64::max);
        map.mapv(|v| (v - least) / (most - least))
    }

    pub(crate) fn check() {
        with_pass(|pass| {
            let layers = ["relu1", "sum", "pool"];
            for (image, found) in pass.why(1).at_each(layers).explain_each(&RefineCam).unwrap().iter().enumerate() {
                assert_eq!(found.layers(), layers);
                let each = layers.map(|layer| {
                    let positive = maps(pass, layer, &GradCamPlusPlus)[image].per_cell().mapv(|v| v.max(0.0));
                    between(&upsample(between(&positive).view(), 9, 8, Alignment::HalfPixel))
                });
                let expected = Array2::from_shape_fn((9, 8), |at| each[0][at] * each[1][at] * each[2][at]);
                near(&found.per_cell(), &expected, "RefineCAM");
                for at in cells(9, 8) {
                    assert!(each.iter().all(|map| found.per_cell()[at] <= map[at]), "a place where one is weak is weak");
                }
            }
        });
    }
}
