//! Input × gradient.

use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::pass::Reading;

static ABOUT: About = About {
    id: "input-x-gradient",
    title: "input × gradient",
    source: "Shrikumar et al. 2016",
    formula: "the image times the gradient",
    looks_at: LooksAt::Input,
    quantity: Quantity::Contribution,
    cost: Cost::OnePass,
    tells: "what each pixel value adds to the score, if the network is taken as linear around this image",
    does_not_tell: "anything about pixels whose preprocessed value is zero; and what biases add is left out",
    elsewhere: &["InputXGradient"],
    chapter: "chapter_11_other_readings",
};

/// x ⊙ ∂S/∂x, `[H, W, C]`: each value's part of the score, to first order from a zero image. (Shrikumar, Greenside,
/// Shcherbina and Kundaje, *Not Just a Black Box*, 2016.)
///
/// On a piecewise-linear model without biases, the map's sum is the score. The map is zero where the preprocessed image
/// is, which is at the mean colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InputXGradient;

impl<T: Real> Method<T> for InputXGradient {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_input_gradient(ABOUT.quantity, Reading::Exact, |x, g| x * g)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::arriving;

    pub(crate) fn check() {
        arriving(&super::InputXGradient, |x, _, bound| 0.0 < x && x < bound, |x, arrives| x * arrives);
    }
}
