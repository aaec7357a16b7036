//! Gradient clipping.

use tensor::Tensor;
use tensor::blocks::update;

use crate::real::Real;

/// √Σ g² over the elements of all gradients, in f64.
#[must_use]
pub fn global_norm<T: Real>(gradients: &[(usize, Tensor<T>)]) -> f64 {
    let squares = |gradient: &Tensor<T>| gradient.as_slice().iter().map(|g| g.as_f64() * g.as_f64()).sum::<f64>();
    gradients.iter().map(|(_, gradient)| squares(gradient)).sum::<f64>().sqrt()
}

/// Scales all gradients by one factor so that their [global norm](global_norm) is at most `limit` (Pascanu, Mikolov & Bengio
/// 2013, algorithm 1). Returns the norm before scaling. If it isn't finite, the gradients aren't changed.
///
/// # Panics
/// Unless `limit` > 0.
pub fn clip_norm<T: Real>(gradients: &mut [(usize, Tensor<T>)], limit: f64) -> f64 {
    assert!(limit > 0.0, "gradients clipped to a norm of {limit}");
    let norm = global_norm(gradients);
    if norm.is_finite() && norm > limit {
        let factor = T::from_f64(limit / norm);
        for (_, gradient) in gradients {
            update(gradient.make_mut(), [], |g, []| g * factor);
        }
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradients() -> Vec<(usize, Tensor<f64>)> {
        vec![(0, Tensor::new([2], vec![3.0, 0.0])), (4, Tensor::new([1, 1], vec![-4.0]))]
    }

    #[test]
    fn long_gradients_shrink_in_their_direction_and_short_ones_stay() {
        let mut long = gradients();
        assert_eq!(clip_norm(&mut long, 2.5), 5.0);
        assert_eq!(long[0].1.as_slice(), [1.5, 0.0]);
        assert_eq!(long[1].1.as_slice(), [-2.0]);
        let mut short = gradients();
        assert_eq!(clip_norm(&mut short, 5.0), 5.0);
        assert_eq!(short, gradients());
    }

    #[test]
    fn gradients_without_a_finite_norm_are_left_alone() {
        let mut broken = vec![(0, Tensor::new([2], vec![f32::INFINITY, 1.0]))];
        assert_eq!(clip_norm(&mut broken, 1.0), f64::INFINITY);
        assert_eq!(broken[0].1.as_slice(), [f32::INFINITY, 1.0]);
    }

    /// (10³⁰)² overflows f32.
    #[test]
    fn large_gradients_have_a_norm() {
        let mut large = vec![(0, Tensor::full([4], 1e30_f32))];
        assert!((clip_norm(&mut large, 1.0) / 2e30 - 1.0).abs() < 1e-7);
        assert!(large[0].1.as_slice().iter().all(|g| (g - 0.5).abs() < 1e-6));
    }
}
