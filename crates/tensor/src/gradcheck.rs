//! Gradients against central differences.

use thiserror::Error;

use crate::backward::Exact;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// What [`gradcheck`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradcheck {
    /// Derivatives compared.
    pub checked: usize,
    /// Derivatives skipped because the function has a kink there: the difference quotients disagree.
    pub skipped: usize,
    /// The derivative with the largest relative error.
    pub worst: Option<Worst>,
}

/// The worst disagreement between a gradient and its central difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// The index of the input.
    pub input: usize,
    /// The index of the element in that input, in row-major order.
    pub element: usize,
    /// The derivative by the tape.
    pub analytic: f64,
    /// The difference quotient.
    pub numeric: f64,
    /// |analytic − numeric| / max(|analytic|, |numeric|, 10⁻³·s), where s is the largest derivative of that input: if both are
    /// tiny, the rounding error of the quotient doesn't count.
    pub relative_error: f64,
}

/// A gradient that central differences contradict, or can't confirm.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GradcheckError {
    /// The two disagree.
    #[error(
        "input {}, element {}: the gradient is {}, the central difference {} (relative error {:e})",
        .0.input, .0.element, .0.analytic, .0.numeric, .0.relative_error
    )]
    Disagrees(Worst),
    /// At least half of the derivatives fall on kinks, or there are none.
    #[error("{checked} derivatives could be checked, {skipped} fall on kinks")]
    TooFew {
        /// Derivatives compared.
        checked: usize,
        /// Derivatives on kinks.
        skipped: usize,
    },
}

impl Gradcheck {
    /// Accepts relative errors up to `tolerance`.
    ///
    /// # Errors
    /// If a relative error exceeds `tolerance` or is NaN, or at least half of the derivatives were skipped.
    pub fn within(&self, tolerance: f64) -> Result<&Self, GradcheckError> {
        match self.worst {
            Some(worst) if worst.relative_error > tolerance || worst.relative_error.is_nan() => {
                Err(GradcheckError::Disagrees(worst))
            }
            _ if self.checked <= self.skipped => {
                Err(GradcheckError::TooFew { checked: self.checked, skipped: self.skipped })
            }
            _ => Ok(self),
        }
    }
}

/// Compares the gradients of `f` with central differences in double precision, for every element of every input.
///
/// The output of `f` may have any shape: its elements are summed with fixed, irregular weights, so that each of them counts.
/// The quotient is the five-point one, `(8(f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h`, whose error falls with h⁴
/// (Abramowitz & Stegun, 25.3.6). If the quotients over h and 2h disagree, or the slopes on the left and on the right don't
/// approach each other as h shrinks, the function has a kink: the derivative is skipped and counted.
///
/// ```
/// use tensor::{Tensor, gradcheck};
/// let x = Tensor::new([3], vec![0.3, -0.8, 1.1]);
/// let checked = gradcheck(&[x], |vars| (&vars[0] * &vars[0]).exp());
/// assert!(checked.within(1e-6)?.checked == 3);
/// # Ok::<(), tensor::GradcheckError>(())
/// ```
#[must_use]
pub fn gradcheck(inputs: &[Tensor<f64>], f: impl Fn(&[Var<f64>]) -> Var<f64>) -> Gradcheck {
    const H: f64 = 1e-3;
    const KINK: f64 = 2e-5; // smallest jump of a slope that counts, relative to slopes above 1
    let evaluate = |inputs: &[Tensor<f64>]| {
        let tape = Tape::new();
        let vars: Vec<_> = inputs.iter().map(|x| tape.leaf(x.clone())).collect();
        let output = f(&vars);
        (tape, vars, output)
    };
    let (tape, vars, output) = evaluate(inputs);
    let weights = Tensor::from_fn(output.shape(), |i| 0.5 + (i as f64 * 0.754_877_666).fract());
    let gradients =
        tape.backward_from(&output, weights.clone(), &Exact, &vars).expect("the exact rule refuses nothing");
    let weighted = |inputs: &[Tensor<f64>]| evaluate(inputs).2.value().clone().zip(&weights, |y, w| y * w).sum();

    let mut result = Gradcheck::default();
    for (input, var) in vars.iter().enumerate() {
        let analytic = gradients.get(var).expect("asked for");
        let scale = analytic.as_slice().iter().fold(0.0_f64, |s, g| s.max(g.abs()));
        let mut moved = inputs.to_vec();
        for (element, &analytic) in analytic.as_slice().iter().enumerate() {
            let x = inputs[input].as_slice()[element];
            let mut at = |x: f64| {
                moved[input].make_mut()[element] = x;
                weighted(&moved)
            };
            let [left2, left, right, right2] = [-2.0, -1.0, 1.0, 2.0].map(|steps| at(x + steps * H));
            let middle = at(x);
            let (near, far) = (right - left, right2 - left2);
            let (narrow, wide) = (near / (2.0 * H), far / (4.0 * H));
            let jump = (right - 2.0 * middle + left).abs() / H;
            let jump_over_twice = (right2 - 2.0 * middle + left2).abs() / (2.0 * H);
            let smallest = KINK * narrow.abs().max(wide.abs()).max(1.0);
            if (narrow - wide).abs() > smallest || jump > smallest && jump > 0.75 * jump_over_twice {
                result.skipped += 1;
                continue;
            }
            result.checked += 1;
            let numeric = (8.0 * near - far) / (12.0 * H);
            let size = analytic.abs().max(numeric.abs()).max(1e-3 * scale).max(f64::MIN_POSITIVE);
            let relative_error = (analytic - numeric).abs() / size;
            if relative_error.is_nan() || result.worst.is_none_or(|worst| relative_error > worst.relative_error) {
                result.worst = Some(Worst { input, element, analytic, numeric, relative_error });
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Grads, Node, Op, Wanted};

    /// A square whose gradient is wrong by a relative 10⁻⁵.
    #[derive(Debug)]
    struct AlmostSquare;
    impl Op<f64> for AlmostSquare {
        fn name(&self) -> &'static str {
            "almost square"
        }
        fn vjp(&self, node: &Node<f64>, upstream: Tensor<f64>, _: Wanted<'_>) -> Grads<f64> {
            Grads::one(upstream.zip(node.input(0), |g, x| 2.0 * x * g * (1.0 + 1e-5)))
        }
    }

    #[test]
    fn a_gradient_off_by_a_hundred_thousandth_is_caught() {
        let x = Tensor::new([2], vec![0.7, -1.3]);
        let checked = gradcheck(&[x], |vars| {
            let value = vars[0].value().clone().map(|x| x * x);
            vars[0].tape().record(AlmostSquare, &[&vars[0]], value)
        });
        let Err(GradcheckError::Disagrees(worst)) = checked.within(1e-6) else { panic!("{checked:?}") };
        assert!((worst.relative_error - 1e-5).abs() < 1e-7);
    }

    #[test]
    fn kinks_are_skipped_and_counted() {
        let x = Tensor::new([4], vec![0.0, 0.0005, 1.0, -1.0]);
        let checked = gradcheck(&[x], |vars| vars[0].abs());
        assert_eq!((checked.checked, checked.skipped), (2, 2));
        assert!(matches!(checked.within(1e-6), Err(GradcheckError::TooFew { .. })));
    }
}
