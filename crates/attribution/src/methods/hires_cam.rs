//! HiResCAM.

use ndarray::{Array2, ArrayView3};
use nn::Real;

use crate::methods::product_over_channels;

/// Features times gradients, position by position: `[h, w, C]` each → `[h, w]`.
///
/// ```text
/// M_ij = Σ_c g_ijc f_ijc
/// ```
///
/// Draelos and Carin, *Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks*, 2020,
/// eq. 5. Where the layer is followed by linear layers alone, the map's sum plus the biases' part is the score; after
/// global average pooling the map is Grad-CAM's.
#[must_use]
pub fn hires_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    product_over_channels(features, gradients, |g| g)
}
