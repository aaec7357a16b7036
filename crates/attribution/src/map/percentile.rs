//! Percentiles of magnitudes.

/// The percentile (nearest rank) of the finite values' magnitudes. If that is 0, as in a map with few nonzero pixels,
/// the largest magnitude replaces it.
pub(crate) fn percentile(values: impl Iterator<Item = f32>, percentile: f64) -> f32 {
    let mut magnitudes: Vec<f32> = values.map(f32::abs).filter(|v| v.is_finite()).collect();
    magnitudes.sort_by(f32::total_cmp);
    let rank = (percentile / 100.0 * magnitudes.len() as f64).ceil() as usize;
    let at = |rank: usize| magnitudes.get(rank.saturating_sub(1)).copied().unwrap_or(0.0);
    if at(rank) > 0.0 { at(rank) } else { at(magnitudes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_the_nearest_rank() {
        let values = (1..=100).map(|i| i as f32 * if i % 2 == 0 { -1.0 } else { 1.0 });
        let found = [100.0, 99.0, 98.5, 50.0, 0.0].map(|p| percentile(values.clone(), p));
        assert_eq!(found, [100.0, 99.0, 99.0, 50.0, 1.0]);
        let mut sparse = vec![0.0; 400];
        sparse[63] = -7.0;
        assert_eq!(percentile(sparse.iter().copied(), 99.0), 7.0);
        sparse[0] = f32::NAN;
        assert_eq!(percentile(sparse.into_iter(), 100.0), 7.0);
        assert_eq!(percentile(std::iter::empty(), 99.0), 0.0);
    }
}
