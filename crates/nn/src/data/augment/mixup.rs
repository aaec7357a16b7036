//! Mixup.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// Draws λ ~ Beta(α, α), an image's share of a mixture.
///
/// # Panics
/// If α isn't positive and finite.
pub(in super::super) fn mixing_share(rng: &mut ChaCha8Rng, alpha: f64) -> f32 {
    Beta::new(alpha, alpha).expect("α is positive").sample(rng) as f32
}

/// a ← λ·a + (1 − λ)·b, with λ = `share`.
pub(in super::super) fn mix(a: &mut [f32], b: &[f32], share: f32) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = share * *a + (1.0 - share) * b);
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_mixture_is_the_weighted_mean() {
        let mut a = [1.0, 10.0];
        mix(&mut a, &[3.0, -10.0], 0.75);
        assert_eq!(a, [1.5, 5.0]);
    }

    /// Beta(α, α) has mean 1/2 and variance 1/(4·(2α + 1)).
    #[test]
    fn shares_have_the_moments_of_their_distribution() {
        for alpha in [0.2, 1.0, 4.0] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let shares: Vec<f64> = (0..20_000).map(|_| f64::from(mixing_share(&mut rng, alpha))).collect();
            let mean = shares.iter().sum::<f64>() / 20_000.0;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 20_000.0;
            // Four standard errors of the mean; the variance's is smaller.
            let expected = 0.25 / (2.0 * alpha + 1.0);
            let error = 4.0 * (expected / 20_000.0).sqrt();
            assert!((mean - 0.5).abs() < error && (variance - expected).abs() < error, "{alpha}: {mean} {variance}");
        }
    }
}
