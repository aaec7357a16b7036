//! The structural similarity of two maps.

use ndarray::{Array2, ArrayView2};

/// Pixels along each side of the window.
const WINDOW: usize = 11;
/// The Gaussian window's standard deviation, in pixels.
const DEVIATION: f64 = 1.5;
/// K₁ and K₂ of C₁ = (K₁L)² and C₂ = (K₂L)², which keep the quotient away from 0/0; the range L is 1.
const K: [f64; 2] = [0.01, 0.03];

/// The mean structural similarity of two maps `[h, w]` with values in [0, 1]: a number in [−1, 1], and 1 for equal maps.
///
/// ```text
/// SSIM = (2 μₐμ_b + C₁)(2 σ_ab + C₂) / ((μₐ² + μ_b² + C₁)(σₐ² + σ_b² + C₂))
/// ```
///
/// with means, variances and covariance under a Gaussian window of 11 × 11 pixels and standard deviation 1.5, averaged
/// over all positions of the window within the map. Along a side shorter than the window, the window is as long as that
/// side. (Wang, Bovik, Sheikh and Simoncelli, *Image Quality Assessment: From Error Visibility to Structural
/// Similarity*, 2004, eq. 13.)
///
/// Under this measure, any two maps that are zero nearly everywhere are similar. Read it together with the [rank
/// correlation](super::rank_correlation).
///
/// # Panics
/// If the maps differ in shape, or have no pixels.
#[must_use]
pub fn ssim(a: ArrayView2<f32>, b: ArrayView2<f32>) -> f64 {
    assert_eq!(a.dim(), b.dim(), "the maps must have the same shape");
    assert!(!a.is_empty(), "the maps must have pixels");
    let [a, b] = [a, b].map(|map| map.mapv(f64::from));
    let [mean_a, mean_b] = [&a, &b].map(windowed);
    let [aa, bb, ab] = [(&a, &a), (&b, &b), (&a, &b)].map(|(a, b)| windowed(&(a * b)));
    let [c1, c2] = K.map(|k| k * k);
    let at = |i: (usize, usize)| {
        let (m, n) = (mean_a[i], mean_b[i]);
        let (variance_a, variance_b, covariance) = (aa[i] - m * m, bb[i] - n * n, ab[i] - m * n);
        (2.0 * m * n + c1) * (2.0 * covariance + c2) / ((m * m + n * n + c1) * (variance_a + variance_b + c2))
    };
    ndarray::indices(mean_a.dim()).into_iter().map(at).sum::<f64>() / mean_a.len() as f64
}

/// The mean under the window at each of its positions within the map: along the rows, then along the columns.
fn windowed(map: &Array2<f64>) -> Array2<f64> {
    let (h, w) = map.dim();
    let [rows, columns] = [h, w].map(window);
    let (out_h, out_w) = (h + 1 - rows.len(), w + 1 - columns.len());
    let sum = |weights: &[f64], value: &dyn Fn(usize) -> f64| -> f64 {
        weights.iter().enumerate().map(|(i, weight)| weight * value(i)).sum()
    };
    let wide = Array2::from_shape_fn((h, out_w), |(y, x)| sum(&columns, &|j| map[[y, x + j]]));
    Array2::from_shape_fn((out_h, out_w), |(y, x)| sum(&rows, &|i| wide[[y + i, x]]))
}

/// The window's weights along a side of `extent` pixels, with sum 1.
fn window(extent: usize) -> Vec<f64> {
    let side = WINDOW.min(extent);
    let weight = |i: usize| (-0.5 * ((i as f64 - (side - 1) as f64 / 2.0) / DEVIATION).powi(2)).exp();
    let total: f64 = (0..side).map(weight).sum();
    (0..side).map(|i| weight(i) / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waves(h: usize, w: usize, phase: f32) -> Array2<f32> {
        Array2::from_shape_fn((h, w), |(y, x)| 0.5 + 0.5 * ((y as f32 * 0.7 + phase).sin() * (x as f32 * 1.3).cos()))
    }

    #[test]
    fn equal_maps_have_one_and_constants_compare_their_means() {
        let map = waves(20, 14, 0.0);
        assert!((ssim(map.view(), map.view()) - 1.0).abs() < 1e-12);
        // Without variance, (2ab + C₁) / (a² + b² + C₁).
        let (a, b) = (Array2::from_elem((12, 12), 0.25f32), Array2::from_elem((12, 12), 0.75f32));
        assert!((ssim(a.view(), b.view()) - (0.375 + 1e-4) / (0.625 + 1e-4)).abs() < 1e-9);
        // The complement varies the other way.
        assert!(ssim(map.view(), map.mapv(|v| 1.0 - v).view()) < 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        /// Every window separately, with weights in two dimensions.
        #[test]
        fn agrees_with_the_definition(h in 1usize..16, w in 1usize..16, phase in 0.0f32..6.0) {
            let (a, b) = (waves(h, w, 0.0), waves(h, w, phase));
            let (rows, columns) = (h.min(11), w.min(11));
            let gauss = |i: usize, side: usize| (-(i as f64 - (side as f64 - 1.0) / 2.0).powi(2) / (2.0 * 1.5 * 1.5)).exp();
            let mut total = 0.0;
            for top in 0..=h - rows {
                for left in 0..=w - columns {
                    let (mut sum, mut moments) = (0.0, [0.0; 5]);
                    for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                        let weight = gauss(i, rows) * gauss(j, columns);
                        let [a, b] = [&a, &b].map(|map| f64::from(map[[top + i, left + j]]));
                        sum += weight;
                        for (moment, value) in moments.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                            *moment += weight * value;
                        }
                    }
                    let [a, b, aa, bb, ab] = moments.map(|moment| moment / sum);
                    let luminance = (2.0 * a * b + 1e-4) / (a * a + b * b + 1e-4);
                    total += luminance * (2.0 * (ab - a * b) + 9e-4) / (aa - a * a + bb - b * b + 9e-4);
                }
            }
            let literal = total / ((h - rows + 1) * (w - columns + 1)) as f64;
            prop_assert!((ssim(a.view(), b.view()) - literal).abs() < 1e-9);
        }
    }
}
