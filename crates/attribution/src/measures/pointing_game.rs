//! The pointing game: does the strongest pixel lie on the object?
//!
//! Zhang, Lin, Brandt, Shen, Sclaroff, "Top-down Neural Attention by Excitation Backprop", ECCV 2016, §4.2.

use ndarray::ArrayView2;

use super::measure::{Group, Measure, Needs, share};
use super::{Object, peak};

/// Whether the map's maximum lies in the box, or on the object of any shape, or within `tolerance` pixels of it
/// (Euclidean distance between the centres of pixels). The paper allows 15 pixels, on photographs; use 0 for small
/// pictures. If several pixels share the maximum, all of them must lie there: a plateau that extends beyond the object
/// doesn't point at it. A map without a [peak](super) is a miss.
#[must_use]
pub fn pointing_game(map: ArrayView2<f32>, truth: &(impl Object + ?Sized), tolerance: usize) -> bool {
    let near = |row: usize, column: usize| {
        let around = |i: usize| i.saturating_sub(tolerance)..=i.saturating_add(tolerance);
        let within = |y: usize, x: usize| y.abs_diff(row).pow(2) + x.abs_diff(column).pow(2) <= tolerance.pow(2);
        around(row).any(|y| around(column).any(|x| within(y, x) && truth.contains(y, x)))
    };
    let Some(most) = peak(map) else { return false };
    map.indexed_iter().all(|((row, column), &value)| value < most || near(row, column))
}

/// The [pointing game](pointing_game), without tolerance.
pub static POINTING: Measure = Measure {
    id: "pointing",
    title: "pointing",
    what: "does the strongest pixel lie in the object's box?",
    group: Group::Localization,
    higher_is_better: true,
    needs: Needs::Truth,
    figures: |trial| Ok(trial.on_truths(|map, truth| share(pointing_game(map.view(), truth, 0)))),
};

#[cfg(test)]
mod tests {
    use super::super::silent_maps;
    use super::*;
    use ndarray::Array2;
    use nn::data::Rect;
    use proptest::prelude::*;

    const TRUTH: Rect = Rect { top: 2, left: 3, height: 4, width: 5 };

    fn point(row: usize, column: usize) -> Array2<f32> {
        let mut map = Array2::zeros((8, 10));
        map[[row, column]] = 1.0;
        map
    }

    #[test]
    fn the_box_itself_hits_and_its_complement_misses() {
        let inside = Array2::from_shape_fn((8, 10), |(y, x)| f32::from(u8::from(TRUTH.contains(y, x))));
        assert!(pointing_game(inside.view(), &TRUTH, 0));
        assert!(!pointing_game((1.0 - inside).view(), &TRUTH, 0));
    }

    #[test]
    fn silent_maps_miss() {
        let everything = Rect { top: 0, left: 0, height: 8, width: 10 };
        assert!(silent_maps().iter().all(|map| !pointing_game(map.view(), &everything, 15)));
        assert!(!pointing_game(point(2, 3).view(), &Rect { height: 0, ..TRUTH }, 15));
    }

    #[test]
    fn every_maximum_counts() {
        let mut map = point(3, 4);
        map[[5, 7]] = 1.0;
        assert!(pointing_game(map.view(), &TRUTH, 0));
        map[[6, 7]] = 1.0;
        assert!(!pointing_game(map.view(), &TRUTH, 0));
        assert!(pointing_game(map.view(), &TRUTH, 1));
    }

    #[test]
    fn tolerance_is_a_disc() {
        let corner = Rect { top: 0, left: 0, height: 1, width: 1 };
        assert!(pointing_game(point(3, 4).view(), &corner, 5));
        assert!(!pointing_game(point(4, 4).view(), &corner, 5));
        assert!(pointing_game(point(0, 5).view(), &corner, 5));
    }

    proptest! {
        /// As in the paper's code: every pixel of the box is compared with a disc around the maximum.
        #[test]
        fn agrees_with_the_definition((row, column) in (0usize..8, 0usize..10), tolerance in 0usize..8) {
            let literal = (0..8).flat_map(|y| (0..10).map(move |x| (y, x))).any(|(y, x)| {
                let squared = (y as f64 - row as f64).powi(2) + (x as f64 - column as f64).powi(2);
                TRUTH.contains(y, x) && squared.sqrt() <= tolerance as f64
            });
            prop_assert_eq!(pointing_game(point(row, column).view(), &TRUTH, tolerance), literal);
        }
    }
}
