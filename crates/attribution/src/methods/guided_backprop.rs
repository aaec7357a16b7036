//! Guided backpropagation.

use nn::{Real, Source};

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::gradients::Reading;
use crate::pass::Pass;
use crate::rules::coverage_in_words;
use crate::saliency::Saliency;
use crate::target::Target;

impl<T: Real> Pass<'_, T> {
    /// Guided backpropagation: what reaches the image when every ReLU passes only positive gradients, and only where its
    /// own input was positive ([`Guided`](crate::rules::Guided); Springenberg et al. 2015). `[H, W, C]`, signed.
    ///
    /// Sharp, and to be read with care: the result conserves nothing, depends little on the class, and nearly reconstructs
    /// the image's edges (Nie, Zhang and Patel, *A Theoretical Explanation for Perplexing Behaviors of
    /// Backpropagation-based Visualizations*, 2018; Adebayo et al., *Sanity Checks for Saliency Maps*, 2018).
    ///
    /// # Errors
    /// Where the model has no ReLU or an activation without such a reading, or the target doesn't fit.
    pub fn guided_backprop(&self, target: impl Into<Target<T>>) -> Result<Explanation<Saliency<T>>, ExplainError> {
        self.rectified("guided backpropagation", Reading::Guided, &target.into())
    }

    /// What reaches the image under one of the rules about ReLUs.
    pub(crate) fn rectified(
        &self,
        method: &'static str,
        rule: Reading,
        target: &Target<T>,
    ) -> Result<Explanation<Saliency<T>>, ExplainError> {
        let backward = self.backward(rule, Source::Image, &self.seed(target)?)?;
        Ok(Explanation {
            method,
            target: target.to_string(),
            layers: Vec::new(),
            coverage: Some(coverage_in_words(&backward.coverage)),
            maps: self.saliencies_by(&backward, |_, g| g),
        })
    }
}
