//! Softmax.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted, pairwise_sum};

use crate::real::Real;

/// pₖ = exp(xₖ) / Σⱼ exp(xⱼ) over the last dimension, `[…, K]`.
///
/// ln pₖ = xₖ − ln Σⱼ exp(xⱼ), so ∂pₖ/∂xⱼ = pₖ·(δₖⱼ − pⱼ), and
///
/// ```text
/// ∂xⱼ = Σₖ ∂pₖ·pₖ·(δₖⱼ − pⱼ) = pⱼ·(∂pⱼ − Σₖ ∂pₖ·pₖ)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

impl<T: Real> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let p = node.output();
        let classes = p.shape().last().map_or(1, |&k| k.max(1));
        let mut dx = upstream.zip(p, |g, p| g * p);
        for (dx, p) in dx.make_mut().chunks_exact_mut(classes).zip(p.as_slice().chunks_exact(classes)) {
            let total = pairwise_sum(dx);
            dx.iter_mut().zip(p).for_each(|(dx, &p)| *dx -= p * total);
        }
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }
}

/// Replaces a row x by exp(x − max x), which neither overflows nor loses the largest term; gives max x and the sum.
pub(super) fn exponentials<T: Real>(row: &mut [T]) -> (T, T) {
    let max = row.iter().copied().fold(T::neg_infinity(), T::max);
    row.iter_mut().for_each(|x| *x = (*x - max).exp());
    (max, pairwise_sum(row))
}

/// exp(xₖ) / Σⱼ exp(xⱼ) over the last dimension, finite for any finite x. Works in place where `x` was the last owner of
/// its value.
///
/// # Panics
/// Where `x` is a scalar.
#[must_use]
pub fn softmax<T: Real>(x: Var<T>) -> Var<T> {
    let classes = (*x.shape().last().expect("softmax: expected […, K], found a scalar")).max(1);
    x.consumed_by(Softmax, |mut x| {
        for row in x.make_mut().chunks_exact_mut(classes) {
            let (_, sum) = exponentials(row);
            row.iter_mut().for_each(|p| *p /= sum);
        }
        x
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([2, 3, 5], 1)], |v| v[0].mul_scalar(2.0).softmax()).within(1e-7).unwrap();
    }

    #[test]
    fn it_is_the_definition() {
        let tape = Tape::new();
        let x = tape.leaf(random([4, 6], 1));
        let e = x.exp();
        let literal = e.div(&e.sum_axes(&[1]).reshape([4, 1]));
        approx::assert_abs_diff_eq!(x.softmax().value(), literal.value(), epsilon = 1e-15);
    }

    #[test]
    fn a_thousand_is_no_problem() {
        let x = Tape::new().leaf(Tensor::new([2, 2], vec![1000.0_f32, -1000.0, -1000.0, -1000.0]));
        assert_eq!(x.softmax().value().as_slice(), &[1.0, 0.0, 0.5, 0.5]);
    }
}
