//! Sparseness: does the map name little, or a bit of everything?

use ndarray::ArrayView2;

use super::measure::{Group, Measure, Needs};

/// The Gini index of a map's magnitudes, in [0, 1): 0 if all are equal, 1 − 1/n if only one of n isn't zero. With the
/// magnitudes sorted, least first,
///
/// ```text
/// G = Σ_k (2k − n − 1) v_k / (n Σ_k v_k)
/// ```
///
/// (Chalasani et al., *Concise Explanations of Neural Networks using Adversarial Training*, 2020, eq. 9.) 0 for a map that is
/// zero everywhere, and NaN if a value is. A map that is sparse needn't be right: read this measure together with others.
#[must_use]
pub fn gini(map: ArrayView2<f32>) -> f64 {
    let mut magnitudes: Vec<f64> = map.iter().map(|&value| f64::from(value.abs())).collect();
    magnitudes.sort_by(f64::total_cmp);
    let (n, sum) = (magnitudes.len() as f64, magnitudes.iter().sum::<f64>());
    let weighted = magnitudes.iter().zip(1..).map(|(value, k)| (2.0 * f64::from(k) - n - 1.0) * value).sum::<f64>();
    if sum == 0.0 { 0.0 } else { weighted / (n * sum) }
}

/// The [sparseness](gini).
pub static SPARSENESS: Measure = Measure {
    id: "sparseness",
    title: "sparseness",
    what: "Gini index of the map: 0 if it is the same everywhere, near 1 if few pixels hold all of it",
    group: Group::Form,
    higher_is_better: true,
    needs: Needs::Nothing,
    figures: |trial| Ok(trial.maps.iter().map(|map| gini(map.view())).collect()),
};

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    proptest! {
        /// The other definition: the mean difference of all pairs, by twice the mean.
        #[test]
        fn it_is_the_relative_mean_difference(values in prop::collection::vec(-5.0f32..5.0, 1..30)) {
            let n = values.len() as f64;
            let magnitudes: Vec<f64> = values.iter().map(|value| f64::from(value.abs())).collect();
            let mean = magnitudes.iter().sum::<f64>() / n;
            prop_assume!(mean > 0.0);
            let differences: f64 = magnitudes.iter().flat_map(|a| magnitudes.iter().map(move |b| (a - b).abs())).sum();
            let found = gini(Array2::from_shape_vec((1, values.len()), values).unwrap().view());
            prop_assert!((found - differences / (n * n) / (2.0 * mean)).abs() < 1e-12);
        }
    }

    #[test]
    fn exact_on_given_maps() {
        assert_eq!(gini(array![[2.0, 2.0], [2.0, -2.0]].view()), 0.0);
        assert_eq!(gini(array![[0.0, 0.0], [0.0, -7.0]].view()), 0.75);
        assert_eq!(gini(array![[0.0, 0.0]].view()), 0.0);
        assert_eq!(gini(Array2::zeros((0, 0)).view()), 0.0);
        assert!(gini(array![[1.0, f32::NAN]].view()).is_nan());
    }
}
