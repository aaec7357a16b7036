//! Huber's error of values.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted, pairwise_sum};

use crate::real::Real;

/// With outputs x and targets t of one shape, e = x − t, and the threshold δ:
///
/// ```text
/// L = 1/M Σ h(e),   h(e) = e²/2 where |e| ≤ δ, and δ·(|e| − δ/2) elsewhere
/// ```
///
/// over all M elements (Huber, *Robust estimation of a location parameter*, 1964): squared for small errors, linear for large
/// ones, so that a few wrong targets don't decide. Both parts have the slope ±δ at |e| = δ:
///
/// ```text
/// ∂L/∂x = 1/M max(−δ, min(e, δ))
/// ```
#[derive(Clone, Debug)]
pub struct HuberError<T: Real> {
    /// t, of the outputs' shape.
    pub targets: Tensor<T>,
    /// δ.
    pub delta: f64,
}

impl<T: Real> Op<T> for HuberError<T> {
    fn name(&self) -> &'static str {
        "Huber error"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut dx = node.input(0).clone();
        let (share, delta) = (upstream.item() / T::from_f64(dx.len() as f64), T::from_f64(self.delta));
        let values = dx.make_mut().iter_mut().zip(self.targets.as_slice());
        values.for_each(|(x, &t)| *x = share * (*x - t).max(-delta).min(delta));
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// The mean Huber error of outputs and targets of the same shape, with the threshold δ: `[]`.
///
/// # Panics
/// If there are no outputs, the targets have another shape, or δ isn't positive and finite.
#[must_use]
pub fn huber_error<T: Real>(outputs: &Var<T>, targets: &Tensor<T>, delta: f64) -> Var<T> {
    assert!(!outputs.value().is_empty(), "Huber error: found {}", outputs.shape());
    assert!(targets.shape() == outputs.shape(), "targets {} for {}", targets.shape(), outputs.shape());
    assert!(delta > 0.0 && delta.is_finite(), "Huber error: a threshold of {delta}");
    let (half, threshold) = (T::from_f64(0.5), T::from_f64(delta));
    let error = |(&x, &t): (&T, &T)| {
        let e = (x - t).abs();
        if e <= threshold { half * e * e } else { threshold * (e - half * threshold) }
    };
    let errors: Vec<T> = outputs.value().as_slice().iter().zip(targets.as_slice()).map(error).collect();
    let mean = pairwise_sum(&errors) / T::from_f64(errors.len() as f64);
    outputs.tape().record(HuberError { targets: targets.clone(), delta }, &[outputs], Tensor::scalar(mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::random;
    use approx::assert_abs_diff_eq;
    use tensor::{Exact, Tape, gradcheck};

    /// Errors on both sides of the threshold, none at it.
    #[test]
    fn gradients_agree_with_differences() {
        for delta in [0.1, 0.5, 2.0] {
            let loss = |v: &[Var<f64>]| huber_error(&v[0], &random([3, 4], 2), delta);
            gradcheck(&[random([3, 4], 1)], loss).within(1e-7).unwrap();
        }
    }

    /// `torch.nn.functional.huber_loss` (PyTorch 2, float64) with `delta=1.5`.
    #[test]
    fn it_is_what_pytorch_computes() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([2, 2], vec![0.5_f64, -1.0, 2.0, -3.0]));
        let loss = huber_error(&x, &Tensor::new([2, 2], vec![0.0, -1.25, 4.5, 0.0]), 1.5);
        assert_abs_diff_eq!(loss.value().item(), HUBER, epsilon = 1e-15);
        let found = tape.backward(&loss, &Exact, [&x]).unwrap()[&x].clone();
        assert_abs_diff_eq!(found, Tensor::new([2, 2], HUBER_GRADIENT.to_vec()), epsilon = 1e-15);
    }

    #[test]
    #[should_panic(expected = "a threshold of 0")]
    fn a_threshold_is_positive() {
        let _ = huber_error(&Tape::new().leaf(random([2, 2], 1)), &random([2, 2], 1), 0.0);
    }

    const HUBER: f64 = 1.5390625;
    const HUBER_GRADIENT: [f64; 4] = [0.125, 0.0625, -0.375, -0.375];
}
