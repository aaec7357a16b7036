//! The cross-entropy of logits against distributions.

use tensor::functions::exp;
use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted, pairwise_sum};

use super::log_softmax::log_softmax_rows;
use crate::real::Real;

/// With logits x `[N, K]`, p their [softmax](crate::layers::Softmax) by rows, and targets q `[N, K]`:
///
/// ```text
/// L = −1/N Σₙ Σₖ q'[n,k]·ln p[n,k],   q'[n,k] = (1 − s)·q[n,k] + s/K·Q[n],   Q[n] = Σₖ q[n,k]
/// ```
///
/// Q is 1 where a row of q is a distribution, such as mixup's; then s smooths it as in [`CrossEntropy`](super::CrossEntropy),
/// which this is for rows with a single 1. Any other Q is the weight of its row: that of the sample's class.
///
/// ∂ ln pₖ/∂xⱼ = δₖⱼ − pⱼ, and q' sums to Q as q does:
///
/// ```text
/// ∂L/∂x[n,j] = −1/N Σₖ q'[n,k]·(δₖⱼ − p[n,j]) = (Q[n]·p[n,j] − q'[n,j])/N
/// ```
#[derive(Clone, Debug)]
pub struct SoftCrossEntropy<T: Real> {
    /// q', `[N, K]`.
    pub targets: Tensor<T>,
}

impl<T: Real> Op<T> for SoftCrossEntropy<T> {
    fn name(&self) -> &'static str {
        "soft cross entropy"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let &[n, classes] = &node.input_shape(0)[..] else { unreachable!("checked when it was recorded") };
        let share = upstream.item() / T::from_f64(n as f64);
        let mut dx = log_softmax_rows(node.input(0), classes);
        for (dx, q) in dx.make_mut().chunks_exact_mut(classes).zip(self.targets.as_slice().chunks_exact(classes)) {
            let weight = pairwise_sum(q);
            dx.iter_mut().zip(q).for_each(|(x, &q)| *x = (weight * exp(*x) - q) * share);
        }
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// The mean cross-entropy of logits `[N, K]` against a target distribution per row, `[N, K]`, smoothed: `[]`. Finite for any
/// finite logits and targets.
///
/// # Panics
/// If the logits aren't a matrix with a row at least, the targets have another shape, or the smoothing isn't in [0, 1].
#[must_use]
pub fn soft_cross_entropy<T: Real>(logits: &Var<T>, targets: &Tensor<T>, label_smoothing: f64) -> Var<T> {
    let &[n, classes] = &**logits.shape() else {
        panic!("soft cross entropy: expected [N, K], found {}", logits.shape());
    };
    assert!(n > 0 && targets.shape() == logits.shape(), "targets {} for {}", targets.shape(), logits.shape());
    assert!((0.0..=1.0).contains(&label_smoothing), "soft cross entropy: a smoothing of {label_smoothing}");
    let (sharp, smooth) = (T::from_f64(1.0 - label_smoothing), T::from_f64(label_smoothing / classes as f64));
    let mut targets = targets.clone();
    for row in targets.make_mut().chunks_exact_mut(classes) {
        let spread = smooth * pairwise_sum(row);
        row.iter_mut().for_each(|q| *q = sharp * *q + spread);
    }
    let log_p = log_softmax_rows(logits.value(), classes);
    // A class that isn't wanted costs nothing, even with probability 0.
    let term = |(&q, &log_p): (&T, &T)| if q == T::zero() { T::zero() } else { -(q * log_p) };
    let terms: Vec<T> = targets.as_slice().iter().zip(log_p.as_slice()).map(term).collect();
    let mean = pairwise_sum(&terms) / T::from_f64(n as f64);
    logits.tape().record(SoftCrossEntropy { targets }, &[logits], Tensor::scalar(mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::random;
    use crate::layers::{Apply, Softmax};
    use crate::losses::cross_entropy;
    use approx::assert_abs_diff_eq;
    use tensor::{Exact, Tape, gradcheck};

    /// Weights between 0 and 1; no row sums to 1.
    fn targets() -> Tensor<f64> {
        random([3, 5], 2).map(|x: f64| x.sin().abs())
    }

    #[test]
    fn gradients_agree_with_differences() {
        for smoothing in [0.0, 0.1, 1.0] {
            gradcheck(&[random([3, 5], 1)], |v| soft_cross_entropy(&v[0], &targets(), smoothing)).within(1e-7).unwrap();
        }
    }

    #[test]
    fn it_is_the_definition() {
        let tape = Tape::new();
        let x = tape.leaf(random([3, 5], 1));
        let literal = x.apply(Softmax).ln().mul(&tape.leaf(targets())).sum().mul_scalar(-1.0 / 3.0);
        assert_abs_diff_eq!(soft_cross_entropy(&x, &targets(), 0.0).value(), literal.value(), epsilon = 1e-14);
    }

    #[test]
    fn a_single_one_a_row_is_cross_entropy() {
        let tape = Tape::new();
        let x = tape.leaf(random([3, 5], 1));
        let classes = [4, 0, 2];
        let one_hot = Tensor::from_fn([3, 5], |i| if classes[i / 5] == i % 5 { 1.0 } else { 0.0 });
        for smoothing in [0.0, 0.1, 1.0] {
            let losses = [soft_cross_entropy(&x, &one_hot, smoothing), cross_entropy(&x, &classes, smoothing)];
            assert_abs_diff_eq!(losses[0].value(), losses[1].value(), epsilon = 1e-14);
            let gradients = losses.map(|loss| tape.backward(&loss, &Exact, [&x]).unwrap()[&x].clone());
            assert_abs_diff_eq!(gradients[0], gradients[1], epsilon = 1e-15);
        }
    }

    #[test]
    fn an_impossible_class_costs_nothing_where_it_is_not_wanted() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 2], vec![0.0_f32, f32::NEG_INFINITY]));
        let loss = soft_cross_entropy(&x, &Tensor::new([1, 2], vec![1.0, 0.0]), 0.0);
        assert_eq!(loss.value().item(), 0.0);
    }

    #[test]
    #[should_panic(expected = "targets [2, 4] for [2, 5]")]
    fn targets_of_another_shape_are_refused() {
        let _ = soft_cross_entropy(&Tape::new().leaf(random([2, 5], 1)), &random([2, 4], 1), 0.0);
    }
}
