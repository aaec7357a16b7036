//! XGrad-CAM.

use ndarray::{Array2, ArrayView2, ArrayView3};
use nn::Real;

use crate::methods::{channels, sum, weighted_sum};

/// Added to a channel's sum, which may be zero.
const EPSILON: f64 = 1e-7;

/// Each channel weighted by the mean of its gradients, weighted in turn by the features: `[h, w, C]` each → `[h, w]`.
///
/// ```text
/// w_c = Σ_ij f_ijc g_ijc / (Σ_ij f_ijc + 10⁻⁷)        (eq. 8)
/// M   = Σ_c w_c f_c
/// ```
///
/// Fu, Hu, Dong, Guo, Gao and Li, *Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs*, 2020.
/// Before a ReLU a channel's features may nearly cancel, and the weight then means little.
#[must_use]
pub fn xgrad_cam<T: Real>(features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
    let weight = |(f, g): (ArrayView2<T>, ArrayView2<T>)| {
        sum(f.iter().zip(g).map(|(&f, &g)| f * g)) / (sum(f.iter().copied()) + T::from_f64(EPSILON))
    };
    let weights: Vec<T> = channels(&features).zip(channels(&gradients)).map(weight).collect();
    weighted_sum(features, &weights)
}
