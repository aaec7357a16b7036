//! How good an explanation is: where it points, whether the network agrees, and whether it depends on what it should.
//!
//! | question | measures |
//! | --- | --- |
//! | Does it say where the object is? | [`pointing_game`], [`energy_in_box`], [`box_score`], [`localization_error`] |
//! | Does the network agree? | [`Pass::deletion`](crate::Pass::deletion), [`Pass::insertion`](crate::Pass::insertion), [`Pass::confidence`](crate::Pass::confidence) |
//! | Does it depend on the weights, and on the class? | [`cascade`], compared by [`rank_correlation`] and [`ssim`] |
//! | How sure is the figure, and what would anything score? | [`bootstrap`], [`centred_gaussian`], [`noise`] |
//!
//! Measures against a box take a map `[h, w]` and a box in the *same* pixels: a map at a layer's size is upsampled to the
//! picture's first. Only the positive part of a map counts as evidence there.
//!
//! A map that singles out no place says nothing, and scores as a miss against every box: one with no pixel, with a value
//! that is not finite, with the same value everywhere, or with none above zero.

mod baselines;
mod bootstrap;
mod box_score;
mod confidence;
mod curves;
mod energy;
mod localization_error;
mod pointing_game;
mod randomization;
mod rank_correlation;
mod ssim;

pub use baselines::{centred_gaussian, noise};
pub use bootstrap::{Interval, bootstrap};
pub use box_score::{BOX_HIT, CAM_THRESHOLD, GRAD_CAM_THRESHOLD, box_score, estimated_box};
pub use confidence::Confidence;
pub use curves::{Curve, Perturbation};
pub use energy::energy_in_box;
pub use localization_error::localization_error;
pub use pointing_game::pointing_game;
pub use randomization::cascade;
pub use rank_correlation::rank_correlation;
pub use ssim::ssim;

use ndarray::ArrayView2;

/// The largest value of a map that singles out a place, see the [module](self).
fn peak(map: ArrayView2<f32>) -> Option<f32> {
    let mut values = map.iter().copied();
    let first = values.next()?;
    let (least, most) = values.fold((first, first), |(least, most), v| (v.min(least), v.max(most)));
    // `min` and `max` pass over NaN, so finiteness is asked of every value.
    (map.iter().all(|v| v.is_finite()) && least < most && most > 0.0).then_some(most)
}

/// The maps that every measure scores as a miss, for the tests of each.
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
