//! Gradient clipping.

use tensor::Tensor;

use crate::real::Real;

/// √Σ g² over all gradients, in f64.
#[must_use]
pub fn global_norm<T: Real>(gradients: &[(usize, Tensor<T>)]) -> f64 {
    let squares = |gradient: &Tensor<T>| gradient.as_slice().iter().map(|g| g.as_f64() * g.as_f64()).sum::<f64>();
    gradients.iter().map(|(_, gradient)| squares(gradient)).sum::<f64>().sqrt()
}

/// Scales all gradients by one factor, so that their [global norm](global_norm) is `most` at most (Pascanu, Mikolov &
/// Bengio 2013, algorithm 1); their direction stays. Gives the norm that they had. What isn't finite stays as it is.
///
/// # Panics
/// Where `most` isn't above 0.
pub fn clip_norm<T: Real>(gradients: &mut [(usize, Tensor<T>)], most: f64) -> f64 {
    assert!(most > 0.0, "gradients clipped to a norm of {most}");
    let norm = global_norm(gradients);
    if norm.is_finite() && norm > most {
        let factor = T::from_f64(most / norm);
        for (_, gradient) in gradients {
            gradient.make_mut().iter_mut().for_each(|g| *g *= factor);
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
    fn a_gradient_without_a_norm_is_told_and_left() {
        let mut broken = vec![(0, Tensor::new([2], vec![f32::INFINITY, 1.0]))];
        assert_eq!(clip_norm(&mut broken, 1.0), f64::INFINITY);
        assert_eq!(broken[0].1.as_slice(), [f32::INFINITY, 1.0]);
    }

    /// (10³⁰)² is no f32.
    #[test]
    fn large_gradients_have_a_norm() {
        let mut large = vec![(0, Tensor::full([4], 1e30_f32))];
        assert!((clip_norm(&mut large, 1.0) / 2e30 - 1.0).abs() < 1e-7);
        assert!(large[0].1.as_slice().iter().all(|g| (g - 0.5).abs() < 1e-6));
    }
}
