//! Localization by a box drawn around the strong part of a map.
//!
//! Zhou, Khosla, Lapedriza, Oliva, Torralba, "Learning Deep Features for Discriminative Localization", CVPR 2016, §3.2:
//! keep the pixels above 20 % of the map's maximum, take their largest connected component, and draw the box around it. The
//! object counts as found if the intersection over union with the true box exceeds one half.

use ndarray::{Array2, ArrayView2};
use nn::data::Rect;

use super::measure::{Group, Measure, Needs};
use super::{Object, peak};

/// The fraction of the maximum above which a pixel belongs to the object: 20 % (Zhou et al. 2016, §3.2).
pub const CAM_THRESHOLD: f32 = 0.20;
/// The threshold of Selvaraju et al., "Grad-CAM", ICCV 2017, §4.1: 15 %.
pub const GRAD_CAM_THRESHOLD: f32 = 0.15;
/// A box is a hit if its intersection over union with the true box exceeds this.
pub const BOX_HIT: f64 = 0.5;

/// The box around the largest connected component of the pixels above `threshold` · maximum.
///
/// Pixels that share a side or a corner are connected (8-connected), as in OpenCV's contours, which are commonly used
/// for such boxes. Among components of equal size, the first in row-major order is taken. `None` for a map without a
/// [peak](super).
///
/// # Panics
/// If `threshold` isn't in `[0, 1)`.
#[must_use]
pub fn estimated_box(map: ArrayView2<f32>, threshold: f32) -> Option<Rect> {
    assert!((0.0..1.0).contains(&threshold), "the threshold must be in [0, 1), found {threshold}");
    let least = threshold * peak(map)?;
    let mut unvisited = map.mapv(|value| value > least);
    let mut largest: Vec<(usize, usize)> = Vec::new();
    for (row, column) in ndarray::indices(map.dim()) {
        let component = take_component(&mut unvisited, (row, column));
        if component.len() > largest.len() {
            largest = component;
        }
    }
    Rect::enclosing(largest)
}

/// Removes the component of `start` from `unvisited`, and returns its pixels.
fn take_component(unvisited: &mut Array2<bool>, start: (usize, usize)) -> Vec<(usize, usize)> {
    let mut component = Vec::new();
    let mut reached = 0;
    visit(unvisited, start, &mut component);
    while let Some(&(row, column)) = component.get(reached) {
        reached += 1;
        for y in row.saturating_sub(1)..=row + 1 {
            for x in column.saturating_sub(1)..=column + 1 {
                visit(unvisited, (y, x), &mut component);
            }
        }
    }
    component
}

fn visit(unvisited: &mut Array2<bool>, pixel: (usize, usize), component: &mut Vec<(usize, usize)>) {
    if unvisited.get_mut(pixel).is_some_and(std::mem::take) {
        component.push(pixel);
    }
}

/// Intersection over union of the [`estimated_box`] with the true box, in `[0, 1]`; a hit if it is above [`BOX_HIT`].
/// Of several true boxes, the one that it overlaps most counts. 0 for a map without a [peak](super).
///
/// # Panics
/// If `threshold` isn't in `[0, 1)`.
#[must_use]
pub fn box_score(map: ArrayView2<f32>, truth: &(impl Object + ?Sized), threshold: f32) -> f64 {
    let Some(found) = estimated_box(map, threshold) else { return 0.0 };
    truth.boxes().iter().map(|truth| found.iou(truth)).fold(0.0, f64::max)
}

/// The [box score](box_score) at CAM's threshold.
pub static IOU_20: Measure = Measure {
    id: "iou-20",
    title: "IoU at 20 %",
    what: "overlap of the box round what is above 20 % of the maximum with the true one",
    group: Group::Localization,
    higher_is_better: true,
    needs: Needs::Truth,
    figures: |trial| Ok(trial.on_truths(|map, truth| box_score(map.view(), truth, CAM_THRESHOLD))),
};

/// The [box score](box_score) at Grad-CAM's threshold.
pub static IOU_15: Measure = Measure {
    id: "iou-15",
    title: "IoU at 15 %",
    what: "the same at 15 %",
    group: Group::Localization,
    higher_is_better: true,
    needs: Needs::Truth,
    figures: |trial| Ok(trial.on_truths(|map, truth| box_score(map.view(), truth, GRAD_CAM_THRESHOLD))),
};

#[cfg(test)]
mod tests {
    use super::super::silent_maps;
    use super::*;
    use proptest::prelude::*;

    const TRUTH: Rect = Rect { top: 2, left: 3, height: 4, width: 5 };

    fn picture(rows: &[&str]) -> Array2<f32> {
        let digit = |byte: u8| if byte == b'.' { 0.0 } else { f32::from(byte - b'0') };
        Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| digit(rows[y].as_bytes()[x]))
    }

    #[test]
    fn the_box_itself_its_complement_and_a_constant() {
        let inside = Array2::from_shape_fn((8, 10), |(y, x)| f32::from(u8::from(TRUTH.contains(y, x))));
        assert_eq!(estimated_box(inside.view(), CAM_THRESHOLD), Some(TRUTH));
        assert_eq!(box_score(inside.view(), &TRUTH, CAM_THRESHOLD), 1.0);
        // The ring around the box is bounded by the picture: 20 of 80 pixels.
        assert_eq!(box_score((1.0 - &inside).view(), &TRUTH, CAM_THRESHOLD), 0.25);
        // Nearly constant: everything is above the threshold.
        assert_eq!(box_score((0.01 * &inside + 1.0).view(), &TRUTH, CAM_THRESHOLD), 0.25);
    }

    #[test]
    fn silent_maps_miss() {
        let everything = Rect { top: 0, left: 0, height: 8, width: 10 };
        assert!(silent_maps().iter().all(|map| box_score(map.view(), &everything, CAM_THRESHOLD) == 0.0));
    }

    #[test]
    fn the_largest_component_wins_not_the_strongest() {
        let map = picture(&["9....", ".....", "..33.", "..33.", "....."]);
        assert_eq!(estimated_box(map.view(), 0.2), Some(Rect { top: 2, left: 2, height: 2, width: 2 }));
        // Above half of the maximum only the strong pixel is left.
        assert_eq!(estimated_box(map.view(), 0.5), Some(Rect { top: 0, left: 0, height: 1, width: 1 }));
    }

    #[test]
    fn corners_connect_and_the_first_of_equals_is_taken() {
        let map = picture(&["5...5", ".5...", "....5"]);
        assert_eq!(estimated_box(map.view(), 0.2), Some(Rect { top: 0, left: 0, height: 2, width: 2 }));
        let map = picture(&["...55", "5....", "5...."]);
        assert_eq!(estimated_box(map.view(), 0.2), Some(Rect { top: 0, left: 3, height: 1, width: 2 }));
    }

    #[test]
    fn the_threshold_itself_is_below() {
        let map = picture(&["551"]);
        assert_eq!(estimated_box(map.view(), 0.2).unwrap().width, 2);
    }

    #[test]
    #[should_panic(expected = "found 1.5")]
    fn a_threshold_is_a_fraction() {
        let _ = estimated_box(Array2::zeros((2, 2)).view(), 1.5);
    }

    /// Labels spread to their neighbours until nothing changes.
    fn literal(map: &Array2<f32>, threshold: f32) -> Option<Rect> {
        let (h, w) = map.dim();
        let most = map.iter().copied().fold(f32::MIN, f32::max);
        let mut labels = Array2::from_shape_fn((h, w), |(y, x)| (map[[y, x]] > threshold * most).then_some(y * w + x));
        loop {
            let old = labels.clone();
            for ((y, x), label) in labels.indexed_iter_mut().filter(|(_, label)| label.is_some()) {
                let near = old.indexed_iter().filter(|((r, c), _)| r.abs_diff(y) <= 1 && c.abs_diff(x) <= 1);
                *label = near.filter_map(|(_, label)| *label).min();
            }
            if labels == old {
                break;
            }
        }
        let size = |label| labels.iter().filter(|l| **l == Some(label)).count();
        let best = (0..h * w).rev().max_by_key(|&label| size(label)).filter(|&label| size(label) > 0)?;
        Rect::enclosing(labels.indexed_iter().filter(|(_, label)| **label == Some(best)).map(|(pixel, _)| pixel))
    }

    proptest! {
        #[test]
        fn agrees_with_labels_that_spread(values in prop::collection::vec(0u8..6, 63), threshold in 0.0f32..0.99) {
            let map = Array2::from_shape_fn((7, 9), |(y, x)| f32::from(values[y * 9 + x]));
            prop_assume!(peak(map.view()).is_some());
            prop_assert_eq!(estimated_box(map.view(), threshold), literal(&map, threshold));
        }
    }
}
