//! Spearman's rank correlation of two maps.

use ndarray::ArrayView2;

/// The rank correlation of two maps `[h, w]`, in [−1, 1]: the correlation of the pixels' ranks, where pixels of equal
/// value share the mean of their ranks. `None` if a map has the same value everywhere, and so has no order, or contains
/// NaN.
///
/// Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim use it to compare maps before and after weights are randomized
/// (*Sanity Checks for Saliency Maps*, 2018, §3).
///
/// # Panics
/// If the maps differ in shape.
#[must_use]
pub fn rank_correlation(a: ArrayView2<f32>, b: ArrayView2<f32>) -> Option<f64> {
    assert_eq!(a.dim(), b.dim(), "the maps must have the same shape");
    if a.iter().chain(b.iter()).any(|v| v.is_nan()) {
        return None;
    }
    let [a, b] = [a, b].map(|map| ranks(&map.iter().copied().collect::<Vec<_>>()));
    // The sum of the ranks is 0 + 1 + … + (n − 1), with or without ties.
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| product(&a, &b) / scale)
}

/// The rank of each value, from 0; equal values get the mean of their ranks.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    // −0 and 0 are equal, but `total_cmp` orders them.
    for equal in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let shared = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&i| ranks[i] = shared);
        first += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    #[test]
    fn increasing_functions_keep_it_and_decreasing_ones_negate_it() {
        let map = Array2::from_shape_fn((8, 10), |(y, x)| ((7 * y + 3 * x) % 11) as f32 - 5.0);
        let correlation = |other: Array2<f32>| rank_correlation(map.view(), other.view()).unwrap();
        assert!((correlation(map.mapv(|v| v.powi(3))) - 1.0).abs() < 1e-12);
        assert!((correlation(map.mapv(|v| (-v).exp())) + 1.0).abs() < 1e-12);
    }

    #[test]
    fn ties_get_their_mean_rank() {
        assert_eq!(ranks(&[3.0, -0.0, 1.0, 0.0, 3.0, 3.0]), [4.0, 0.5, 2.0, 0.5, 4.0, 4.0]);
        // Ranks 0.5 0.5 2.5 2.5 and 0 2 1 3: 2.0 / √(4 · 5).
        let found = rank_correlation(array![[1.0, 1.0, 2.0, 2.0]].view(), array![[1.0, 3.0, 2.0, 4.0]].view());
        assert!((found.unwrap() - 2.0 / 20.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn constant_maps_and_nan_have_none() {
        let (some, flat) = (array![[1.0f32, 2.0]], array![[3.0f32, 3.0]]);
        assert_eq!(rank_correlation(some.view(), flat.view()), None);
        assert_eq!(rank_correlation(some.view(), array![[f32::NAN, 1.0]].view()), None);
        assert_eq!(rank_correlation(Array2::zeros((0, 4)).view(), Array2::zeros((0, 4)).view()), None);
    }

    proptest! {
        /// A pixel's rank: the number of smaller values, plus half the number of other equal values.
        #[test]
        fn agrees_with_counting(a in prop::collection::vec(-3i8..4, 12), b in prop::collection::vec(-3i8..4, 12)) {
            let rank = |values: &[i8], i: usize| {
                let below = values.iter().filter(|&&v| v < values[i]).count() as f64;
                below + (values.iter().filter(|&&v| v == values[i]).count() - 1) as f64 / 2.0
            };
            let [ra, rb] = [&a, &b].map(|values| (0..12).map(|i| rank(values, i)).collect::<Vec<_>>());
            let mean = |r: &[f64]| r.iter().sum::<f64>() / 12.0;
            let covariance = |p: &[f64], q: &[f64]| (0..12).map(|i| (p[i] - mean(p)) * (q[i] - mean(q))).sum::<f64>();
            let literal = covariance(&ra, &rb) / (covariance(&ra, &ra) * covariance(&rb, &rb)).sqrt();
            let map = |values: &[i8]| Array2::from_shape_fn((3, 4), |(y, x)| f32::from(values[4 * y + x]));
            match rank_correlation(map(&a).view(), map(&b).view()) {
                Some(found) => prop_assert!((found - literal).abs() < 1e-12),
                None => prop_assert!(literal.is_nan()),
            }
        }
    }

    #[test]
    #[should_panic(expected = "the same shape")]
    fn other_shapes_panic() {
        let _ = rank_correlation(Array2::zeros((2, 2)).view(), Array2::zeros((2, 3)).view());
    }
}
