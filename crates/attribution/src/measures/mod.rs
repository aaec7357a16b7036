//! Measures of the quality of explanations.
//!
//! | question | measures |
//! | --- | --- |
//! | Does the map show where the object is? | [`pointing_game`], [`energy_in_box`], [`box_score`], [`localization_error`] |
//! | Does the network agree? | [`Pass::deletion`](crate::Pass::deletion), [`Pass::insertion`](crate::Pass::insertion), [`Pass::confidence`](crate::Pass::confidence), [`Pass::road`](crate::Pass::road), [`Pass::infidelity`](crate::Pass::infidelity) |
//! | Does it depend on the weights, and on the class? | [`cascade`], compared by [`rank_correlation`] and [`ssim`] |
//! | Is it concise, and does it hold still? | [`gini`], [`max_sensitivity`] |
//! | How certain is a figure, and what do trivial maps score? | [`bootstrap`], [`centred_gaussian`], [`noise`] |
//!
//! [`ALL`] lists the measures that give a figure for each image and are available on the command line:
//!
#![doc = include_str!("../../docs/measures.md")]
//!
//! Measures of localization take a map `[h, w]` and an [`Object`] in the *same* pixels, a box or a [`Truth`] of several
//! boxes or a mask, so upsample a layer's map to the picture first. Only the positive part of the map counts as
//! evidence.
//!
//! A map has no *peak* if it is empty, has the same value everywhere, has no positive value, or has a value that isn't
//! finite. Such a map misses every box.

mod baselines;
mod bootstrap;
mod box_score;
mod confidence;
mod curves;
mod energy;
mod imputation;
mod infidelity;
mod localization_error;
mod max_sensitivity;
mod measure;
mod pointing_game;
mod randomization;
mod rank_correlation;
mod road;
mod sparseness;
mod ssim;
mod truth;

pub use baselines::{centred_gaussian, noise};
pub use bootstrap::{Interval, bootstrap};
pub use box_score::{BOX_HIT, CAM_THRESHOLD, GRAD_CAM_THRESHOLD, IOU_15, IOU_20, box_score, estimated_box};
pub use confidence::{Confidence, DROP, INCREASE};
pub use curves::{Curve, DELETION, INSERTION, Perturbation};
pub use energy::{ENERGY, energy_in_box};
pub use infidelity::INFIDELITY;
pub use localization_error::{TOP_1_ERROR, TOP_5_ERROR, localization_error};
pub use max_sensitivity::{MAX_SENSITIVITY, SHAKE, SHAKEN, max_sensitivity, shaken};
pub use measure::{Group, Measure, Needs, Trial, half, rank_correlations};
pub use pointing_game::{POINTING, pointing_game};
pub use randomization::{RANDOM, RANDOM_HALF, RANDOM_HEAD, RANDOM_SSIM, WRONG_CLASS, cascade};
pub use rank_correlation::rank_correlation;
pub use road::ROAD;
pub use sparseness::{SPARSENESS, gini};
pub use ssim::ssim;
pub use truth::{Object, Truth};

use ndarray::ArrayView2;

/// Every measure, in the order of the tables.
pub static ALL: [&Measure; 19] = [
    &POINTING,
    &ENERGY,
    &IOU_20,
    &IOU_15,
    &TOP_1_ERROR,
    &TOP_5_ERROR,
    &DELETION,
    &INSERTION,
    &DROP,
    &INCREASE,
    &ROAD,
    &INFIDELITY,
    &WRONG_CLASS,
    &RANDOM_HEAD,
    &RANDOM_HALF,
    &RANDOM_SSIM,
    &RANDOM,
    &SPARSENESS,
    &MAX_SENSITIVITY,
];

/// The largest value of a map; `None` if it has no peak as defined in the [module](self).
fn peak(map: ArrayView2<f32>) -> Option<f32> {
    let mut values = map.iter().copied();
    let first = values.next()?;
    let (least, most) = values.fold((first, first), |(least, most), v| (v.min(least), v.max(most)));
    // `min` and `max` ignore NaN, so every value is checked.
    (map.iter().all(|v| v.is_finite()) && least < most && most > 0.0).then_some(most)
}

/// Maps without a peak, for tests.
#[cfg(test)]
fn silent_maps() -> Vec<ndarray::Array2<f32>> {
    use ndarray::Array2;
    let with = |value| {
        let mut map = Array2::from_shape_fn((8, 10), |(y, x)| (y * x) as f32);
        map[[3, 4]] = value;
        map
    };
    vec![
        Array2::zeros((0, 0)),
        Array2::zeros((0, 10)),
        Array2::zeros((8, 10)),
        Array2::from_elem((8, 10), 2.5),
        Array2::from_elem((1, 1), 1.0),
        with(1.0) - 100.0,
        with(f32::NAN),
        with(f32::INFINITY),
        with(f32::NEG_INFINITY),
    ]
}
