//! The deconvolutional network.

use nn::Real;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::gradients::Reading;
use crate::pass::Pass;
use crate::saliency::Saliency;
use crate::target::Target;

impl<T: Real> Pass<'_, T> {
    /// The deconvnet: what reaches the image when every ReLU passes only positive gradients, whatever its own input was
    /// ([`Deconv`](crate::rules::Deconv); Zeiler and Fergus 2014). `[H, W, C]`, signed.
    ///
    /// Without max pooling, whose switches carry what it knows of the image, the map doesn't depend on the image at all.
    ///
    /// # Errors
    /// Where the model has no ReLU or an activation without such a reading, or the target doesn't fit.
    pub fn deconvnet(&self, target: impl Into<Target<T>>) -> Result<Explanation<Saliency<T>>, ExplainError> {
        self.rectified("deconvnet", Reading::Deconv, &target.into())
    }
}
