//! How well a map says where the object is, on pictures whose true box is known.
//!
//! Every measure takes a map `[h, w]` and a box in the *same* pixels: a map at a layer's size is upsampled to the
//! picture's first. Only the positive part of a map counts as evidence.
//!
//! A map that singles out no place says nothing, and scores as a miss everywhere: one with no pixel, with a value that is
//! not finite, with the same value everywhere, or with none above zero.

mod box_score;
mod energy;
mod pointing_game;

pub use box_score::{BOX_HIT, CAM_THRESHOLD, GRAD_CAM_THRESHOLD, box_score, estimated_box};
pub use energy::energy_in_box;
pub use pointing_game::pointing_game;

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
