//! The methods, one file each. Each is a method of [`Pass`](crate::Pass); those of the class-activation family also stand
//! as plain functions of a layer's features and gradients, `[h, w, C]`.
//!
//! Whoever knows them from Captum, pytorch-grad-cam or TorchCAM finds them under these names:
//!
//! | there | here |
//! | --- | --- |
//! | `CAM` | [`Pass::cam`](crate::Pass::cam) |
//! | `GradCAM`, `LayerGradCam` | [`Pass::grad_cam`](crate::Pass::grad_cam) |
//! | `GradCAMPlusPlus`, `HiResCAM`, `LayerCAM`, `XGradCAM` | [`Pass::class_activation`](crate::Pass::class_activation), by [`Family`] |
//! | `ScoreCAM`, `AblationCAM` | [`Pass::score_cam`](crate::Pass::score_cam), [`Pass::ablation_cam`](crate::Pass::ablation_cam) |
//! | `EigenCAM` | [`Pass::eigen_cam`](crate::Pass::eigen_cam), which doesn't centre the features |
//! | `FullGrad` | [`Pass::full_grad`](crate::Pass::full_grad) |
//! | `Saliency` | [`Pass::gradient`](crate::Pass::gradient), then [`Saliency::magnitude`](crate::Saliency::magnitude) |
//! | `InputXGradient` | [`Pass::input_x_gradient`](crate::Pass::input_x_gradient) |
//! | `GuidedBackprop`, `Deconvolution` | [`Pass::guided_backprop`](crate::Pass::guided_backprop), [`Pass::deconvnet`](crate::Pass::deconvnet) |
//! | `GuidedGradCam` | [`Pass::guided_grad_cam`](crate::Pass::guided_grad_cam) |
//! | `IntegratedGradients` | [`Pass::integrated_gradients`](crate::Pass::integrated_gradients) |
//! | `NoiseTunnel` | [`Pass::smooth_grad`](crate::Pass::smooth_grad), [`Pass::var_grad`](crate::Pass::var_grad) |
//! | `LRP` | [`Pass::lrp`](crate::Pass::lrp) |
//! | `Occlusion` | [`Pass::occlusion`](crate::Pass::occlusion) |
//! | several `target_layers` | [`Pass::mean_over_layers`](crate::Pass::mean_over_layers) |
//! | `targets` | [`Target`](crate::Target) |

mod ablation_cam;
mod by_channel;
mod cam;
mod deconvnet;
mod eigen_cam;
mod family;
mod full_grad;
mod grad_cam;
mod grad_cam_plus_plus;
mod gradient;
mod guided_backprop;
mod guided_grad_cam;
mod hires_cam;
mod integrated_gradients;
mod layer_cam;
#[cfg(test)]
mod literal_backward;
mod lrp;
mod occlusion;
mod quadrature;
mod rise;
mod score_cam;
mod smooth_grad;
#[cfg(test)]
mod tests;
mod xgrad_cam;

pub use cam::cam;
pub use eigen_cam::eigen_cam;
pub use family::Family;
pub use full_grad::{BiasGradient, FullGradient};
pub(crate) use full_grad::{bias_gradient, passed_on};
pub use grad_cam::grad_cam;
pub use grad_cam_plus_plus::grad_cam_plus_plus;
pub use hires_cam::hires_cam;
pub use integrated_gradients::{Completeness, IntegratedGradients};
pub use layer_cam::layer_cam;
pub use occlusion::Occlusion;
pub use rise::Rise;
pub use smooth_grad::Noise;
pub use xgrad_cam::xgrad_cam;

use ndarray::{Array2, ArrayView2, ArrayView3, Axis, Zip};
use nn::Real;
use tensor::pairwise_sum;

/// Σ_c w_c f_ijc at every position, pairwise: `[h, w, C]`, `[C]` → `[h, w]`.
fn weighted_sum<T: Real>(features: ArrayView3<T>, weights: &[T]) -> Array2<T> {
    features.map_axis(Axis(2), |f| sum(f.iter().zip(weights).map(|(&f, &w)| w * f)))
}

/// Σ_c weight(g_ijc) f_ijc at every position, pairwise: `[h, w, C]` each → `[h, w]`.
fn product_over_channels<T: Real>(
    features: ArrayView3<T>,
    gradients: ArrayView3<T>,
    weight: impl Fn(T) -> T,
) -> Array2<T> {
    let (features, gradients) = (features.lanes(Axis(2)), gradients.lanes(Axis(2)));
    Zip::from(features).and(gradients).map_collect(|f, g| sum(f.iter().zip(g).map(|(&f, &g)| weight(g) * f)))
}

/// The maps of the channels: `[h, w, C]` → C times `[h, w]`.
fn channels<'a, T: Real>(features: &'a ArrayView3<'_, T>) -> impl Iterator<Item = ArrayView2<'a, T>> {
    features.axis_iter(Axis(2))
}

/// The sum, pairwise.
fn sum<T: Real>(terms: impl Iterator<Item = T>) -> T {
    pairwise_sum(&terms.collect::<Vec<_>>())
}
