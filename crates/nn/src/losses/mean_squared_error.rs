//! The mean squared error of values.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted, pairwise_sum};

use crate::real::Real;

/// With outputs x and targets t of one shape:
///
/// ```text
/// L = 1/M Σ (x − t)²        ∂L/∂x = 2/M (x − t)
/// ```
///
/// over all M elements: the negative logarithm of a normal distribution's density with mean x, up to constants (Bishop,
/// *Pattern Recognition and Machine Learning*, 2006, §1.2.5).
#[derive(Clone, Debug)]
pub struct MeanSquaredError<T: Real> {
    /// t, of the outputs' shape.
    pub targets: Tensor<T>,
}

impl<T: Real> Op<T> for MeanSquaredError<T> {
    fn name(&self) -> &'static str {
        "mean squared error"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut dx = node.input(0).clone();
        let share = T::from_f64(2.0) * upstream.item() / T::from_f64(dx.len() as f64);
        dx.make_mut().iter_mut().zip(self.targets.as_slice()).for_each(|(x, &t)| *x = share * (*x - t));
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// The mean squared difference of outputs and targets of the same shape: `[]`.
///
/// # Panics
/// If there are no outputs, or the targets have another shape.
#[must_use]
pub fn mean_squared_error<T: Real>(outputs: &Var<T>, targets: &Tensor<T>) -> Var<T> {
    assert!(!outputs.value().is_empty(), "mean squared error: found {}", outputs.shape());
    assert!(targets.shape() == outputs.shape(), "targets {} for {}", targets.shape(), outputs.shape());
    let squares = outputs.value().as_slice().iter().zip(targets.as_slice()).map(|(&x, &t)| (x - t) * (x - t));
    let squares: Vec<T> = squares.collect();
    let mean = pairwise_sum(&squares) / T::from_f64(squares.len() as f64);
    outputs.tape().record(MeanSquaredError { targets: targets.clone() }, &[outputs], Tensor::scalar(mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::random;
    use approx::assert_abs_diff_eq;
    use tensor::{Exact, Tape, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([3, 2], 1)], |v| mean_squared_error(&v[0], &random([3, 2], 2))).within(1e-7).unwrap();
    }

    /// `torch.nn.functional.mse_loss` (PyTorch 2, float64).
    #[test]
    fn it_is_what_pytorch_computes() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([2, 2], vec![0.5_f64, -1.0, 2.0, -3.0]));
        let loss = mean_squared_error(&x, &Tensor::new([2, 2], vec![0.0, -1.25, 4.5, 0.0]));
        assert_eq!(loss.value().item(), 3.890625);
        let found = tape.backward(&loss, &Exact, [&x]).unwrap()[&x].clone();
        assert_abs_diff_eq!(found, Tensor::new([2, 2], vec![0.25, 0.125, -1.25, -1.5]), epsilon = 1e-15);
    }

    #[test]
    #[should_panic(expected = "targets [2, 1] for [2, 2]")]
    fn targets_of_another_shape_are_refused() {
        let _ = mean_squared_error(&Tape::new().leaf(random([2, 2], 1)), &random([2, 1], 1));
    }
}
