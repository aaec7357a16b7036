//! The methods, each in its own file.
//!
//! A method is a type whose fields are its settings: `pass.why(class).explain(&GradCam)`. [`all`] lists the methods,
//! and [`parse`] reads them from text such as `smooth-grad(samples=200)`. The class-activation methods are also
//! available as plain functions of a layer's features and gradients, `[h, w, C]`.
//!
#![doc = include_str!("../../docs/methods.md")]

mod attention;
mod by_channel;
mod coalitions;
mod full_gradient;
mod noisy;
mod prelude;
mod quadrature;
mod settings;
mod shared;
#[cfg(test)]
mod tests;

pub use full_gradient::{BiasGradient, FullGradient};
pub(crate) use full_gradient::{bias_gradient, passed_on, passed_on_under};
pub use settings::{MethodError, parse, with_settings, written};

use nn::Real;

use crate::question::Method;

/// The one list of methods, with their modules and types. It generates everything that covers all methods.
macro_rules! methods {
    ($($module:ident::$Method:ident),+ $(,)?) => {
        $(mod $module; pub use $module::$Method;)+

        /// Every method of this crate, with its default settings.
        #[must_use]
        pub fn all<T: Real>() -> Vec<Box<dyn Method<T>>> {
            vec![$(Box::new(<$Method>::default())),+]
        }

        /// The method with this name and these settings, if it exists.
        fn find<T: Real>(id: &str, settings: settings::Object) -> Option<Result<Box<dyn Method<T>>, MethodError>> {
            $(
                if Method::<T>::about(&<$Method>::default()).id == id {
                    return Some(settings::read::<$Method>(id, settings).map(|method| Box::new(method) as _));
                }
            )+
            None
        }

        /// Each method, checked against a literal implementation of its paper.
        #[cfg(test)]
        const LITERAL: &[(&str, fn())] = &[$((stringify!($Method), $module::literal::check)),+];
    };
}

methods! {
    cam::Cam,
    grad_cam::GradCam,
    grad_cam_plus_plus::GradCamPlusPlus,
    grad_cam_element_wise::GradCamElementWise,
    hires_cam::HiResCam,
    layer_cam::LayerCam,
    xgrad_cam::XGradCam,
    eigen_cam::EigenCam,
    score_cam::ScoreCam,
    ablation_cam::AblationCam,
    finer_cam::FinerCam,
    refine_cam::RefineCam,
    deep_feature_factorization::DeepFeatureFactorization,
    guided_backprop::GuidedBackprop,
    guided_grad_cam::GuidedGradCam,
    deconvnet::Deconvnet,
    gradient::Gradient,
    input_x_gradient::InputXGradient,
    smooth_grad::SmoothGrad,
    var_grad::VarGrad,
    integrated_gradients::IntegratedGradients,
    expected_gradients::ExpectedGradients,
    deep_lift::DeepLift,
    lrp::Lrp,
    concept_relevance::ConceptRelevance,
    attention_rollout::AttentionRollout,
    gradient_attention::GradientAttention,
    full_grad::FullGrad,
    occlusion::Occlusion,
    shapley::Shapley,
    rise::Rise,
    augmented::Augmented,
}

pub use attention_rollout::Heads;
pub use augmented::augmented;
pub use cam::cam;
pub use deep_feature_factorization::{Concepts, factorize};
pub use eigen_cam::eigen_cam;
pub use expected_gradients::{Background, expected_gradients};
pub use grad_cam::grad_cam;
pub use grad_cam_plus_plus::grad_cam_plus_plus;
pub use hires_cam::hires_cam;
pub use integrated_gradients::Completeness;
pub use layer_cam::layer_cam;
pub use lrp::Preset;
pub use shapley::PatchValues;
pub use xgrad_cam::xgrad_cam;
