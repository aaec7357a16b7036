//! The energy-based pointing game: how much of the evidence lies on the object?
//!
//! Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR Workshops 2020,
//! §4.3: Σ_{p ∈ box} M_p / Σ_p M_p.

use ndarray::ArrayView2;

use super::measure::{Group, Measure, Needs};
use super::{Object, peak};

/// The fraction of the map's positive part that lies in the box, or on the object of any shape, in `[0, 1]`.
///
/// 0 for a map without a [peak](super). A *nearly* constant map scores as chance does: the fraction of the picture that
/// the box covers.
#[must_use]
pub fn energy_in_box(map: ArrayView2<f32>, truth: &(impl Object + ?Sized)) -> f64 {
    if peak(map).is_none() {
        return 0.0;
    }
    let (mut inside, mut all) = (0.0, 0.0);
    for ((row, column), &value) in map.indexed_iter() {
        let value = f64::from(value.max(0.0));
        all += value;
        if truth.contains(row, column) {
            inside += value;
        }
    }
    inside / all
}

/// The [energy in the box](energy_in_box).
pub static ENERGY: Measure = Measure {
    id: "energy",
    title: "energy",
    what: "the share of the map that lies in the box",
    group: Group::Localization,
    higher_is_better: true,
    needs: Needs::Truth,
    figures: |trial| Ok(trial.on_truths(|map, truth| energy_in_box(map.view(), truth))),
};

#[cfg(test)]
mod tests {
    use super::super::silent_maps;
    use super::*;
    use ndarray::Array2;
    use nn::data::Rect;

    const TRUTH: Rect = Rect { top: 2, left: 3, height: 4, width: 5 };

    #[test]
    fn exact_on_given_maps() {
        let inside = Array2::from_shape_fn((8, 10), |(y, x)| f32::from(u8::from(TRUTH.contains(y, x))));
        assert_eq!(energy_in_box(inside.view(), &TRUTH), 1.0);
        assert_eq!(energy_in_box((1.0 - &inside).view(), &TRUTH), 0.0);
        // 20 pixels of 3 inside, 60 of 1 outside.
        assert_eq!(energy_in_box((2.0 * &inside + 1.0).view(), &TRUTH), 0.5);
        // Negative values are no evidence, inside or outside.
        assert_eq!(energy_in_box((2.0 * &inside - 1.0).view(), &TRUTH), 1.0);
        // A box may extend beyond the map.
        let mut corner = Array2::zeros((8, 10));
        corner[[7, 9]] = 1.0;
        corner[[0, 0]] = 3.0;
        assert_eq!(energy_in_box(corner.view(), &Rect { top: 6, left: 8, height: 9, width: 9 }), 0.25);
    }

    #[test]
    fn silent_maps_miss() {
        let everything = Rect { top: 0, left: 0, height: 8, width: 10 };
        assert!(silent_maps().iter().all(|map| energy_in_box(map.view(), &everything) == 0.0));
    }

    #[test]
    fn the_largest_floats_do_not_overflow() {
        let map = Array2::from_shape_fn((8, 10), |(y, x)| if TRUTH.contains(y, x) { f32::MAX } else { f32::MAX / 2.0 });
        // 20 · 1 and 60 · ½.
        assert!((energy_in_box(map.view(), &TRUTH) - 0.4).abs() < 1e-12);
    }
}
