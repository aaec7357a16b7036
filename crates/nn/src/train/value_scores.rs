//! The scores of a value.

/// How well a value is estimated for a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueScores {
    /// The value's name.
    pub name: String,
    /// Its unit; empty if it has none.
    pub unit: String,
    /// [Mean absolute error](mean_absolute_error), in the value's unit.
    pub mean_absolute_error: f64,
    /// [Coefficient of determination](r_squared).
    pub r_squared: f64,
}

/// Mean of |found − true|.
///
/// # Panics
/// If the two have different lengths, or none.
#[must_use]
pub fn mean_absolute_error(found: &[f32], truth: &[f32]) -> f64 {
    assert!(found.len() == truth.len() && !truth.is_empty(), "{} values for {}", found.len(), truth.len());
    let errors = found.iter().zip(truth).map(|(&found, &truth)| (f64::from(found) - f64::from(truth)).abs());
    errors.sum::<f64>() / truth.len() as f64
}

/// R² = 1 − Σ (found − true)²/Σ (true − mean)²: 1 for exact values, 0 for their mean everywhere, negative if worse than that.
/// If all true values are equal, it is 1 where all are found exactly and 0 otherwise (as scikit-learn's `r2_score`).
///
/// # Panics
/// If the two have different lengths, or none.
#[must_use]
pub fn r_squared(found: &[f32], truth: &[f32]) -> f64 {
    assert!(found.len() == truth.len() && !truth.is_empty(), "{} values for {}", found.len(), truth.len());
    let mean = truth.iter().map(|&truth| f64::from(truth)).sum::<f64>() / truth.len() as f64;
    let squares = |from: &mut dyn Iterator<Item = f64>| from.map(|e| e * e).sum::<f64>();
    let residual = squares(&mut found.iter().zip(truth).map(|(&found, &truth)| f64::from(found) - f64::from(truth)));
    let total = squares(&mut truth.iter().map(|&truth| f64::from(truth) - mean));
    match (residual, total) {
        (0.0, _) => 1.0,
        (_, 0.0) => 0.0,
        _ => 1.0 - residual / total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sklearn.metrics.mean_absolute_error` and `r2_score`.
    #[test]
    fn they_are_what_scikit_learn_computes() {
        let truth = [3.0, -0.5, 2.0, 7.0, 4.25, -1.0];
        let found = [2.5, 0.0, 2.0, 8.0, 3.5, 0.25];
        approx::assert_abs_diff_eq!(mean_absolute_error(&found, &truth), MAE, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(r_squared(&found, &truth), R2, epsilon = 1e-12);
    }

    #[test]
    fn equal_values_have_a_score_too() {
        assert_eq!(r_squared(&[2.0, 2.0], &[2.0, 2.0]), 1.0);
        assert_eq!(r_squared(&[2.0, 3.0], &[2.0, 2.0]), 0.0);
        assert_eq!(r_squared(&[2.0, 2.0], &[1.0, 3.0]), 0.0);
    }

    const MAE: f64 = 0.6666666666666666;
    const R2: f64 = 0.9195375722543353;
}
