//! Guided backpropagation.

use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::pass::{Pass, Reading};
use crate::rules::Guided;

static ABOUT: About = About {
    id: "guided-backprop",
    title: "guided backprop",
    source: "Springenberg et al. 2015",
    formula: "the gradient, with every ReLU that was on passing only positive gradients; networks of ReLUs",
    looks_at: LooksAt::Input,
    quantity: Quantity::Sensitivity,
    cost: Cost::OnePass,
    tells: "which fine structures of the picture set off the network's features",
    does_not_tell: "why it is this class rather than another, or how the score would truly change: negative gradients are dropped on the way",
    elsewhere: &["GuidedBackprop", "GuidedBackpropReLUModel"],
    chapter: "chapter_08_relu",
};

/// Guided backpropagation: the gradient at the image when every ReLU passes only positive gradients, and only if its
/// own input was positive ([`Guided`]; Springenberg et al. 2015). `[H, W, C]`, signed.
///
/// The maps are sharp but need care: they conserve nothing, depend little on the class, and nearly reconstruct the
/// image's edges (Nie, Zhang and Patel, *A Theoretical Explanation for Perplexing Behaviors of Backpropagation-based
/// Visualizations*, 2018; Adebayo et al., *Sanity Checks for Saliency Maps*, 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuidedBackprop;

impl<T: Real> Method<T> for GuidedBackprop {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        pass.check_rule(&Guided)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_input_gradient(ABOUT.quantity, Reading::Guided, |_, g| g)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::arriving;

    pub(crate) fn check() {
        // Figure 1: both.
        arriving(&super::GuidedBackprop, |x, g, bound| 0.0 < x && x < bound && g > 0.0, |_, arrives| arrives);
    }
}
