//! The cross-entropy of logits.

use tensor::functions::{exp, exp_m1};
use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted, pairwise_sum};

use super::log_softmax::log_softmax_rows;
use crate::real::Real;

/// With N rows of logits x, `[…, K]`, p their [softmax](crate::layers::Softmax) by rows, and target distributions q `[N, K]`:
///
/// ```text
/// L = −1/N Σₙ Σₖ q[n,k]·ln p[n,k]
/// ```
///
/// `q[n,k] = (1 − s)·(k = tₙ) + s/K` for the target class tₙ and the smoothing s (Szegedy et al., *Rethinking the Inception
/// architecture*, 2016); without smoothing, L is the mean of `−ln p[n,tₙ]`.
///
/// ∂ ln pₖ/∂xⱼ = δₖⱼ − pⱼ, and a row of q sums to 1:
///
/// ```text
/// ∂L/∂x[n,j] = −1/N Σₖ q[n,k]·(δₖⱼ − p[n,j]) = (p[n,j] − q[n,j])/N
/// ```
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// The target class of each row.
    pub targets: Vec<usize>,
    /// s.
    pub label_smoothing: f64,
}

impl<T: Real> Op<T> for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross entropy"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let classes = node.input_shape(0)[node.input_shape(0).len() - 1];
        let share = upstream.item() / T::from_f64(self.targets.len() as f64);
        let smooth = T::from_f64(self.label_smoothing / classes as f64);
        let mut dx = log_softmax_rows(node.input(0), classes);
        for (row, &target) in dx.make_mut().chunks_exact_mut(classes).zip(&self.targets) {
            // exp(ln p) − 1 near p = 1 by `exp_m1`, which doesn't cancel.
            let at_target = exp_m1(row[target]) + T::from_f64(self.label_smoothing);
            row.iter_mut().for_each(|x| *x = exp(*x));
            row[target] = at_target;
            row.iter_mut().for_each(|x| *x = (*x - smooth) * share);
        }
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// The mean cross-entropy of logits `[N, K]` against one class per row: `[]`. Finite for any finite logits. With logits
/// `[N, H, W, K]`, each position of each map is a row: the per-pixel cross-entropy.
///
/// # Panics
/// If the logits haven't a row for each target (and at least one), a target isn't below K, or the smoothing isn't in [0, 1].
#[must_use]
pub fn cross_entropy<T: Real>(logits: &Var<T>, targets: &[usize], label_smoothing: f64) -> Var<T> {
    let Some((&classes, rows)) = logits.shape().split_last().filter(|(_, rows)| !rows.is_empty()) else {
        panic!("cross entropy: expected […, K], found {}", logits.shape());
    };
    let n: usize = rows.iter().product();
    assert!(n > 0 && n == targets.len(), "cross entropy: {} targets for {}", targets.len(), logits.shape());
    assert!((0.0..=1.0).contains(&label_smoothing), "cross entropy: a smoothing of {label_smoothing}");
    let log_p = log_softmax_rows(logits.value(), classes.max(1));
    let (sharp, smooth) = (T::from_f64(1.0 - label_smoothing), T::from_f64(label_smoothing / classes as f64));
    let losses = targets.iter().enumerate().map(|(row, &target)| {
        assert!(target < classes, "cross entropy: the target {target} of row {row} is none of {classes} classes");
        let row = &log_p.as_slice()[row * classes..][..classes];
        // Unsmoothed, a class of probability 0 must not enter as 0·∞.
        if label_smoothing == 0.0 { -row[target] } else { -(sharp * row[target] + smooth * pairwise_sum(row)) }
    });
    let mean = pairwise_sum(&losses.collect::<Vec<_>>()) / T::from_f64(n as f64);
    logits.tape().record(CrossEntropy { targets: targets.to_vec(), label_smoothing }, &[logits], Tensor::scalar(mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::random;
    use crate::layers::{Apply, Softmax};
    use tensor::{Exact, Tape, gradcheck};

    const PER_PIXEL: f64 = 2.320272579283033;

    #[test]
    fn gradients_agree_with_differences() {
        for smoothing in [0.0, 0.1, 1.0] {
            gradcheck(&[random([3, 5], 1)], |v| cross_entropy(&v[0], &[4, 0, 2], smoothing)).within(1e-7).unwrap();
        }
    }

    #[test]
    fn it_is_the_definition() {
        let tape = Tape::new();
        let x = tape.leaf(random([3, 5], 1));
        let targets = [4, 0, 2];
        for smoothing in [0.0, 0.1, 1.0] {
            let q = Tensor::from_fn([3, 5], |i| {
                let hit = if targets[i / 5] == i % 5 { 1.0 } else { 0.0 };
                (1.0 - smoothing) * hit + smoothing / 5.0
            });
            let literal = x.apply(Softmax).ln().mul(&tape.leaf(q)).sum().mul_scalar(-1.0 / 3.0);
            let loss = cross_entropy(&x, &targets, smoothing);
            approx::assert_abs_diff_eq!(loss.value(), literal.value(), epsilon = 1e-14);
        }
    }

    /// `torch.nn.functional.cross_entropy` (PyTorch 2, float64) of logits `[1, K, H, W]`, whose layout here is `[1, H, W, K]`.
    #[test]
    fn the_positions_of_a_map_are_rows() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 2, 1, 3], vec![0.5_f64, -1.0, 2.0, -3.0, 0.25, 1.0]));
        let loss = cross_entropy(&x, &[2, 0], 0.0);
        approx::assert_abs_diff_eq!(loss.value().item(), PER_PIXEL, epsilon = 1e-14);
        let maps = [random([2, 3, 2, 4], 1)];
        let targets: Vec<usize> = (0..12).map(|i| i % 4).collect();
        gradcheck(&maps, |v| cross_entropy(&v[0], &targets, 0.1)).within(1e-7).unwrap();
    }

    #[test]
    fn a_thousand_is_no_problem() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([2, 2], vec![1000.0_f32, -1000.0, 1000.0, -1000.0]));
        let loss = cross_entropy(&x, &[0, 1], 0.0);
        assert_eq!(loss.value().item(), 1000.0);
        assert_eq!(tape.backward(&loss, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 0.5, -0.5]);
    }

    #[test]
    fn an_impossible_class_costs_nothing_where_it_is_not_the_target() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 2], vec![0.0_f32, f32::NEG_INFINITY]));
        assert_eq!(cross_entropy(&x, &[0], 0.0).value().item(), 0.0);
    }

    #[test]
    #[should_panic(expected = "the target 5 of row 1 is none of 5 classes")]
    fn a_target_out_of_range_is_named() {
        let _ = cross_entropy(&Tape::new().leaf(random([2, 5], 1)), &[0, 5], 0.0);
    }
}
