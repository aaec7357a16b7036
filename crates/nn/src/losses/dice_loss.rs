//! The Dice loss of maps.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// The addend of numerator and denominator: a class that is neither wanted nor found has a Dice coefficient of 1.
const SMOOTH: f64 = 1.0;

/// With probabilities p `[…, K]`, those of a [softmax](crate::layers::Softmax) for classes or of
/// [sigmoids](crate::layers::Sigmoid) for labels, and targets q of the same shape, 1 where a class is and 0 elsewhere, sums
/// running over all positions of all images:
///
/// ```text
/// L = 1 − 1/K Σₖ Dₖ,   Dₖ = (2 Σ pₖqₖ + 1)/(Σ pₖ + Σ qₖ + 1)
/// ```
///
/// Dₖ is Dice's coefficient of overlap for soft sets (Milletari, Navab, Ahmadi, *V-Net*, 2016, with sums in place of sums of
/// squares as in Sudre et al., *Generalised Dice overlap*, 2017). Classes count equally, however few positions they have.
///
/// With Sₖ the denominator of Dₖ, by the quotient rule:
///
/// ```text
/// ∂L/∂pₖ = −1/K (2 qₖ − Dₖ)/Sₖ
/// ```
#[derive(Clone, Debug)]
pub struct DiceLoss<T: Real> {
    /// q, of the probabilities' shape.
    pub targets: Tensor<T>,
}

impl<T: Real> DiceLoss<T> {
    /// (Dₖ, Sₖ) for each class. The sums are in double precision, since they run over all pixels.
    fn overlaps(&self, probabilities: &Tensor<T>, classes: usize) -> Vec<(f64, f64)> {
        let mut sums = vec![(SMOOTH, SMOOTH); classes];
        let rows = probabilities.as_slice().chunks_exact(classes).zip(self.targets.as_slice().chunks_exact(classes));
        for (p, q) in rows {
            for ((both, either), (p, q)) in sums.iter_mut().zip(p.iter().zip(q)) {
                let (p, q) = (p.as_f64(), q.as_f64());
                *both += 2.0 * p * q;
                *either += p + q;
            }
        }
        sums.into_iter().map(|(both, either)| (both / either, either)).collect()
    }
}

impl<T: Real> Op<T> for DiceLoss<T> {
    fn name(&self) -> &'static str {
        "Dice loss"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let p = node.input(0);
        let classes = p.shape()[p.shape().len() - 1];
        let share = upstream.item().as_f64() / classes as f64;
        let overlaps = self.overlaps(p, classes);
        let slope = |(at, q): (usize, &T)| {
            let (dice, either) = overlaps[at % classes];
            T::from_f64(-share * (2.0 * q.as_f64() - dice) / either)
        };
        let slopes: Vec<T> = self.targets.as_slice().iter().enumerate().map(slope).collect();
        Grads::one(Tensor::new(*p.shape(), slopes))
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// The Dice loss of probabilities `[…, K]` against targets of the same shape, 1 where a class is and 0 elsewhere: `[]`, from 0
/// for a perfect map to 1.
///
/// # Panics
/// If there are no probabilities, or the targets have another shape.
#[must_use]
pub fn dice_loss<T: Real>(probabilities: &Var<T>, targets: &Tensor<T>) -> Var<T> {
    assert!(!probabilities.value().is_empty(), "Dice loss: expected […, K], found {}", probabilities.shape());
    assert!(targets.shape() == probabilities.shape(), "targets {} for {}", targets.shape(), probabilities.shape());
    let classes = *probabilities.shape().last().expect("Dice loss: expected […, K], found a scalar");
    let op = DiceLoss { targets: targets.clone() };
    let overlaps = op.overlaps(probabilities.value(), classes);
    let mean = overlaps.iter().map(|(dice, _)| dice).sum::<f64>() / classes as f64;
    probabilities.tape().record(op, &[probabilities], Tensor::scalar(T::from_f64(1.0 - mean)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::random;
    use crate::layers::{Apply, Sigmoid, Softmax};
    use approx::assert_abs_diff_eq;
    use tensor::{Exact, Tape, gradcheck};

    fn one_hot(rows: usize, classes: usize) -> Tensor<f64> {
        Tensor::from_fn([1, rows, 1, classes], |i| if (i / classes) % classes == i % classes { 1.0 } else { 0.0 })
    }

    #[test]
    fn gradients_agree_with_differences() {
        let x = [random([1, 5, 1, 3], 1)];
        gradcheck(&x, |v| dice_loss(&v[0].apply(Softmax), &one_hot(5, 3))).within(1e-7).unwrap();
        gradcheck(&x, |v| dice_loss(&v[0].apply(Sigmoid), &one_hot(5, 3))).within(1e-7).unwrap();
    }

    /// Computed by PyTorch 2 in float64: `1 - ((2*(p*q).sum(0) + 1)/(p.sum(0) + q.sum(0) + 1)).mean()` with
    /// `p = x.softmax(1)`, and its gradient for x.
    #[test]
    fn it_is_what_pytorch_computes() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3, 2], vec![0.5_f64, -1.0, 2.0, -3.0, 0.25, 1.0]));
        let loss = dice_loss(&x.apply(Softmax), &Tensor::new([3, 2], vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0]));
        assert_abs_diff_eq!(loss.value().item(), DICE, epsilon = 1e-14);
        let found = tape.backward(&loss, &Exact, [&x]).unwrap()[&x].clone();
        assert_abs_diff_eq!(found, Tensor::new([3, 2], DICE_GRADIENT.to_vec()), epsilon = 1e-14);
    }

    #[test]
    fn a_perfect_map_costs_nothing_and_an_absent_class_neither() {
        let tape = Tape::new();
        let absent = Tensor::from_fn([1, 4, 1, 2], |i| if i % 2 == 0 { 1.0_f64 } else { 0.0 });
        assert_eq!(dice_loss(&tape.leaf(absent.clone()), &absent).value().item(), 0.0);
        let wrong = Tensor::from_fn([1, 400, 1, 2], |i| if i % 2 == 1 { 1.0_f64 } else { 0.0 });
        let right = Tensor::from_fn([1, 400, 1, 2], |i| if i % 2 == 0 { 1.0_f64 } else { 0.0 });
        assert!(dice_loss(&tape.leaf(wrong), &right).value().item() > 0.99);
    }

    const DICE: f64 = 0.13857763893399533;
    const DICE_GRADIENT: [f64; 6] = [
        -0.03735278432048264,
        0.03735278432048264,
        -0.0016649636885580576,
        0.0016649636885580686,
        0.06385681725363208,
        -0.06385681725363208,
    ];
}
