//! The gradient.

use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::pass::Reading;

static ABOUT: About = About {
    id: "gradient",
    title: "gradient",
    source: "Simonyan et al. 2014",
    formula: "the gradient of the score at the image",
    looks_at: LooksAt::Input,
    quantity: Quantity::Sensitivity,
    cost: Cost::OnePass,
    tells: "to which pixel values the score is most sensitive, for very small changes",
    does_not_tell: "which pixels made the score what it is; and it is noisy, since the gradient changes from pixel to pixel",
    elsewhere: &["Saliency"],
    chapter: "chapter_11_other_readings",
};

/// The gradient ∂S/∂x, `[H, W, C]`: how much the score would change with each value of the image. (Simonyan, Vedaldi
/// and Zisserman, *Deep Inside Convolutional Networks*, 2014, §3. They draw the largest magnitude among a pixel's
/// channels, which is the map's [strength](Map::strength).)
///
/// It shows what would change the score, not what produced it: it is zero where a unit is saturated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gradient;

impl<T: Real> Method<T> for Gradient {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        question.maps_from_input_gradient(ABOUT.quantity, Reading::Exact, |_, g| g)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use super::super::tests::arriving;

    pub(crate) fn check() {
        arriving(&super::Gradient, |x, _, bound| 0.0 < x && x < bound, |_, arrives| arrives);
    }
}
