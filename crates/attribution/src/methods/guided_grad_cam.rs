//! Guided Grad-CAM.

use ndarray::Axis;
use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use super::{GradCam, GuidedBackprop};
use crate::layer::LayerRef;
use crate::map::Verdict;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "guided-grad-cam",
    title: "guided Grad-CAM",
    source: "Selvaraju et al. 2017",
    formula: "guided backpropagation times Grad-CAM; networks of ReLUs",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Sensitivity,
    cost: Cost::OnePass,
    tells: "which fine structures lie where Grad-CAM finds evidence for the class",
    does_not_tell: "more about the class than Grad-CAM: the detail comes from guided backpropagation, which hardly knows it",
    elsewhere: &["GuidedGradCam"],
    chapter: "chapter_09_cam",
};

/// Guided Grad-CAM: guided backpropagation, multiplied pointwise by the positive part of Grad-CAM upsampled to the
/// image (bilinear, stretched edge to edge). `[H, W, C]`, signed. (Selvaraju et al. 2017, §3.1 and Figure 2.)
///
/// The Grad-CAM factor uses the exact gradient, as in the paper, and isn't scaled. The sharpness comes from guided
/// backpropagation, which depends little on the class; the information about the class comes from Grad-CAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuidedGradCam;

impl<T: Real> Method<T> for GuidedGradCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        pass.spatial(LayerRef::Last)?;
        GuidedBackprop.check(pass)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let (places, guided) = (question.explain_each(&GradCam)?, question.explain_each(&GuidedBackprop)?);
        let both = guided.into_iter().zip(places).enumerate();
        let product = both.map(|(image, (guided, place))| {
            let (layers, why) = (place.layers.clone(), place.verdict.clone());
            let place = place.stretched().strength().insert_axis(Axis(2));
            let product = question.pass().pixel_map(image, ABOUT.quantity, guided.values * &place, false);
            let verdict = match (why, guided.verdict) {
                (Verdict::Evidence { .. } | Verdict::Flat { .. }, verdict @ Verdict::NonFinite { .. }) => verdict,
                (Verdict::Evidence { .. } | Verdict::Flat { .. }, _) => product.verdict,
                // Grad-CAM isn't evidence, and its verdict gives the reason.
                (why, _) => why,
            };
            Map { verdict, layers, coverage: guided.coverage, ..product }
        });
        Ok(product.collect())
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::{maps, with_pass};
    use super::{GradCam, GuidedBackprop, GuidedGradCam};
    use crate::map::{Alignment, upsample};

    pub(crate) fn check() {
        with_pass(|pass| {
            let both = maps(pass, "pool", &GuidedGradCam);
            let (guided, grad) = (maps(pass, "pool", &GuidedBackprop), maps(pass, "pool", &GradCam));
            for n in 0..2 {
                let positive = grad[n].per_cell().mapv(|m| m.max(0.0));
                let large = upsample(positive.view(), 9, 8, Alignment::HalfPixel);
                for ((i, j, c), &m) in both[n].raw().indexed_iter() {
                    assert_eq!(m, guided[n].raw()[[i, j, c]] * large[[i, j]]);
                }
            }
        });
    }
}
