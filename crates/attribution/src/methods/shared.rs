//! Sums over channels and positions.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis, Zip};
use nn::Real;
use tensor::pairwise_sum;

/// Σ_c w_c f_ijc at every position, pairwise: `[h, w, C]`, `[C]` → `[h, w]`.
pub(super) fn weighted_sum<T: Real>(features: ArrayView3<T>, weights: &[T]) -> Array2<T> {
    features.map_axis(Axis(2), |f| sum(f.iter().zip(weights).map(|(&f, &w)| w * f)))
}

/// Σ_c weight(g_ijc) f_ijc at every position, pairwise: `[h, w, C]` each → `[h, w]`.
pub(super) fn product_over_channels<T: Real>(
    features: ArrayView3<T>,
    gradients: ArrayView3<T>,
    weight: impl Fn(T) -> T,
) -> Array2<T> {
    let (features, gradients) = (features.lanes(Axis(2)), gradients.lanes(Axis(2)));
    Zip::from(features).and(gradients).map_collect(|f, g| sum(f.iter().zip(g).map(|(&f, &g)| weight(g) * f)))
}

/// The maps of the channels: `[h, w, C]` → C times `[h, w]`.
pub(super) fn channels<'a, T: Real>(features: &'a ArrayView3<'_, T>) -> impl Iterator<Item = ArrayView2<'a, T>> {
    features.axis_iter(Axis(2))
}

/// The sum, pairwise.
pub(super) fn sum<T: Real>(terms: impl Iterator<Item = T>) -> T {
    pairwise_sum(&terms.collect::<Vec<_>>())
}
