//! LayerCAM.

use ndarray::{Array2, ArrayView3};
use nn::Real;

use crate::methods::product_over_channels;

/// Features times positive gradients, position by position: `[h, w, C]` each → `[h, w]`.
///
/// ```text
/// M_ij = Σ_c ReLU(g_ijc) f_ijc        (eqs. 5 and 6)
/// ```
///
/// Jiang, Zhang, Hou, Cheng and Wei, *LayerCAM: Exploring Hierarchical Class Activation Maps for Localization*, 2021. A
/// weight for each position, where Grad-CAM has one for each channel: made for the layers near the image.
#[must_use]
pub fn layer_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    product_over_channels(features, gradients, |g| if g < T::zero() { T::zero() } else { g })
}
