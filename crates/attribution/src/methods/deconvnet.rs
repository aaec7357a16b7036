//! The deconvolutional network.

use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::pass::{Pass, Reading};
use crate::rules::Deconv;

static ABOUT: About = About {
    id: "deconvnet",
    title: "deconvnet",
    source: "Zeiler and Fergus 2014",
    formula: "the gradient, with every ReLU passing only positive gradients; networks of ReLUs",
    looks_at: LooksAt::Input,
    quantity: Quantity::Sensitivity,
    cost: Cost::OnePass,
    tells: "which fine structures could have set off the network's features",
    does_not_tell: "why it is this class, or how the score would truly change; it ignores which units were on, so much that it shows isn't in this picture",
    elsewhere: &["Deconvolution"],
    chapter: "chapter_08_relu",
};

/// The deconvnet: the gradient at the image when every ReLU passes only positive gradients, whatever its input was
/// ([`Deconv`]; Zeiler and Fergus 2014). `[H, W, C]`, signed.
///
/// In a model without max pooling, whose switches depend on the image, the map doesn't depend on the image at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deconvnet;

impl<T: Real> Method<T> for Deconvnet {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        pass.check_rule(&Deconv)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_input_gradient(ABOUT.quantity, Reading::Deconv, |_, g| g)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::arriving;

    pub(crate) fn check() {
        // §2.1: the signal is rectified as the activation was.
        arriving(&super::Deconvnet, |_, g, _| g > 0.0, |_, arrives| arrives);
    }
}
