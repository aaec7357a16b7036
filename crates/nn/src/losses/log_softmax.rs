//! The logarithm of the softmax.

use tensor::functions::{exp, ln};
use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted, pairwise_sum};

use crate::layers::softmax::exponentials;
use crate::real::Real;

/// yₖ = ln pₖ = xₖ − ln Σⱼ exp(xⱼ) over the last dimension, `[…, K]`, with p the [softmax](crate::layers::Softmax).
///
/// ∂yₖ/∂xⱼ = δₖⱼ − pⱼ and p = exp(y), so ∂xⱼ = ∂yⱼ − exp(yⱼ)·Σₖ ∂yₖ.
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax;

impl<T: Real> Op<T> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log softmax"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let y = node.output();
        let classes = y.shape().last().map_or(1, |&k| k.max(1));
        let mut dx = upstream;
        for (dx, y) in dx.make_mut().chunks_exact_mut(classes).zip(y.as_slice().chunks_exact(classes)) {
            let total = pairwise_sum(dx);
            dx.iter_mut().zip(y).for_each(|(dx, &y)| *dx -= exp(y) * total);
        }
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }
}

/// ln pₖ in each row of `classes`. The maximum is taken off first: ln Σⱼ exp(xⱼ) = max x + ln Σⱼ exp(xⱼ − max x).
pub(super) fn log_softmax_rows<T: Real>(x: &Tensor<T>, classes: usize) -> Tensor<T> {
    let mut y = x.clone();
    for (y, x) in y.make_mut().chunks_exact_mut(classes).zip(x.as_slice().chunks_exact(classes)) {
        let (max, sum) = exponentials(y);
        let log_sum = ln(sum);
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - max) - log_sum);
    }
    y
}

/// xₖ − ln Σⱼ exp(xⱼ) over the last dimension, finite for any finite x.
///
/// # Panics
/// If `x` is a scalar.
#[must_use]
pub fn log_softmax<T: Real>(x: &Var<T>) -> Var<T> {
    let classes = *x.shape().last().expect("log softmax: expected […, K], found a scalar");
    x.tape().record(LogSoftmax, &[x], log_softmax_rows(x.value(), classes.max(1)))
}

#[cfg(test)]
mod tests {
    use super::log_softmax;
    use crate::layers::testing::random;
    use crate::layers::{Apply, Softmax};
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([2, 3, 5], 1)], |v| log_softmax(&v[0].mul_scalar(2.0))).within(1e-7).unwrap();
    }

    #[test]
    fn it_is_the_logarithm_of_the_softmax() {
        let tape = Tape::new();
        let x = tape.leaf(random([4, 6], 1));
        approx::assert_abs_diff_eq!(log_softmax(&x).value(), x.apply(Softmax).ln().value(), epsilon = 1e-14);
    }

    #[test]
    fn a_thousand_is_no_problem() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 2], vec![1000.0_f32, -1000.0]));
        let y = log_softmax(&x);
        assert_eq!(y.value().as_slice(), &[0.0, -2000.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[-1.0, 1.0]);
    }
}
