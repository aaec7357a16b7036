//! The gradient itself, and its product with the image.

use nn::{Real, Source};

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::gradients::Reading;
use crate::pass::Pass;
use crate::saliency::Saliency;
use crate::target::Target;

impl<T: Real> Pass<'_, T> {
    /// The gradient ∂S/∂x, `[H, W, C]`: how much the score would change with each value of the image (Simonyan, Vedaldi and
    /// Zisserman, *Deep Inside Convolutional Networks*, 2014, §3; their map is [`Saliency::magnitude`]).
    ///
    /// It says what would change the score, not what made it: where a unit is saturated it is silent.
    ///
    /// # Errors
    /// Where the target doesn't fit.
    pub fn gradient(&self, target: impl Into<Target<T>>) -> Result<Explanation<Saliency<T>>, ExplainError> {
        let target = target.into();
        let backward = self.backward(Reading::Exact, Source::Image, &self.seed(&target)?)?;
        Ok(self.input_level("gradient", &target, self.saliencies_by(&backward, |_, g| g)))
    }

    /// x ⊙ ∂S/∂x, `[H, W, C]`: each value's part of the score, to first order from a zero image (Shrikumar, Greenside,
    /// Shcherbina and Kundaje, *Not Just a Black Box*, 2016).
    ///
    /// On a piecewise-linear model without biases its sum is the score. It sees nothing where the preprocessed image is
    /// zero, which is the mean colour.
    ///
    /// # Errors
    /// Where the target doesn't fit.
    pub fn input_x_gradient(&self, target: impl Into<Target<T>>) -> Result<Explanation<Saliency<T>>, ExplainError> {
        let target = target.into();
        let backward = self.backward(Reading::Exact, Source::Image, &self.seed(&target)?)?;
        Ok(self.input_level("input × gradient", &target, self.saliencies_by(&backward, |x, g| x * g)))
    }

    /// An explanation of the image's own values.
    pub(crate) fn input_level<M>(&self, method: &'static str, target: &Target<T>, maps: Vec<M>) -> Explanation<M> {
        Explanation { method, target: target.to_string(), layers: Vec::new(), coverage: None, maps }
    }
}
