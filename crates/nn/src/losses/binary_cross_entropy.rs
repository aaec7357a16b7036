//! The cross-entropy of labels that are present or absent.

use tensor::functions::{exp, ln_1p};
use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted, pairwise_sum};

use crate::real::Real;

/// With logits x `[…, K]`, p = σ(x) their [sigmoids](crate::layers::Sigmoid), targets y of the same shape, 1 where a label is
/// present and 0 where it is absent, and weights wₖ of the labels' presence:
///
/// ```text
/// L = −1/M Σ [ wₖ·y·ln p + (1 − y)·ln (1 − p) ]
///   =  1/M Σ [ wₖ·y·s(−x) + (1 − y)·s(x) ],      s(x) = ln (1 + eˣ) = max(x, 0) + ln (1 + e^−|x|)
/// ```
///
/// over all M elements (Bishop, *Pattern Recognition and Machine Learning*, 2006, §4.3.2; the form by s doesn't overflow).
///
/// s'(x) = σ(x) and 1 − σ(x) = σ(−x):
///
/// ```text
/// ∂L/∂x = 1/M [ (1 − y)·σ(x) − wₖ·y·σ(−x) ]
/// ```
#[derive(Clone, Debug)]
pub struct BinaryCrossEntropy<T: Real> {
    /// y, of the logits' shape.
    pub targets: Tensor<T>,
    /// wₖ for each of the K labels; 1 for all if `None`.
    pub positive_weights: Option<Vec<f64>>,
}

impl<T: Real> BinaryCrossEntropy<T> {
    /// (x, wₖ·y, 1 − y) for each element.
    fn terms<'a>(&'a self, logits: &'a Tensor<T>) -> impl Iterator<Item = (T, T, T)> + 'a {
        let labels = logits.shape().last().map_or(1, |&k| k.max(1));
        let weight = move |at: usize| match &self.positive_weights {
            Some(weights) => T::from_f64(weights[at % labels]),
            None => T::one(),
        };
        let pairs = logits.as_slice().iter().zip(self.targets.as_slice()).enumerate();
        pairs.map(move |(at, (&x, &y))| (x, weight(at) * y, T::one() - y))
    }
}

/// ln (1 + eˣ).
fn softplus<T: Real>(x: T) -> T {
    x.max(T::zero()) + ln_1p(exp(-x.abs()))
}

/// 1/(1 + e^−x).
fn sigmoid<T: Real>(x: T) -> T {
    let e = exp(-x.abs());
    if x >= T::zero() { T::one() / (T::one() + e) } else { e / (T::one() + e) }
}

impl<T: Real> Op<T> for BinaryCrossEntropy<T> {
    fn name(&self) -> &'static str {
        "binary cross entropy"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let logits = node.input(0);
        let share = upstream.item() / T::from_f64(logits.len() as f64);
        let slopes =
            self.terms(logits).map(|(x, present, absent)| share * (absent * sigmoid(x) - present * sigmoid(-x)));
        Grads::one(Tensor::new(*logits.shape(), slopes.collect::<Vec<_>>()))
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// The mean binary cross-entropy of logits `[…, K]` against labels of the same shape: 1 for present, 0 for absent, and
/// between them for mixtures. `[]`, finite for any finite logits.
///
/// `positive_weights` has a weight for each of the K labels by which the loss of its presence is multiplied: for a rare
/// label, the number of images without it over the number of those with it makes both count equally.
///
/// # Panics
/// If there are no logits, the targets have another shape, or the number of weights isn't K.
#[must_use]
pub fn binary_cross_entropy<T: Real>(logits: &Var<T>, targets: &Tensor<T>, positive_weights: Option<&[f64]>) -> Var<T> {
    assert!(!logits.value().is_empty(), "binary cross entropy: expected […, K], found {}", logits.shape());
    assert!(targets.shape() == logits.shape(), "targets {} for {}", targets.shape(), logits.shape());
    let labels = *logits.shape().last().expect("binary cross entropy: expected […, K], found a scalar");
    if let Some(weights) = positive_weights {
        assert_eq!(weights.len(), labels, "binary cross entropy: {} weights for {labels} labels", weights.len());
    }
    let op = BinaryCrossEntropy { targets: targets.clone(), positive_weights: positive_weights.map(<[f64]>::to_vec) };
    // A state that isn't wanted costs nothing, even with probability 0.
    let cost = |weight: T, x: T| if weight == T::zero() { T::zero() } else { weight * softplus(x) };
    let costs: Vec<T> =
        op.terms(logits.value()).map(|(x, present, absent)| cost(present, -x) + cost(absent, x)).collect();
    let mean = pairwise_sum(&costs) / T::from_f64(costs.len() as f64);
    logits.tape().record(op, &[logits], Tensor::scalar(mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::random;
    use crate::layers::{Apply, Sigmoid};
    use approx::assert_abs_diff_eq;
    use tensor::{Exact, Tape, gradcheck};

    const WEIGHTS: [f64; 3] = [1.0, 3.5, 0.25];

    fn labels() -> Tensor<f64> {
        Tensor::new([2, 3], vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.3])
    }

    #[test]
    fn gradients_agree_with_differences() {
        for weights in [None, Some(&WEIGHTS[..])] {
            let loss = |v: &[Var<f64>]| binary_cross_entropy(&v[0].mul_scalar(3.0), &labels(), weights);
            gradcheck(&[random([2, 3], 1)], loss).within(1e-7).unwrap();
        }
    }

    #[test]
    fn it_is_the_definition() {
        let tape = Tape::new();
        let x = tape.leaf(random([2, 3], 1));
        let y = labels();
        let constant =
            |f: fn(f64, f64) -> f64| tape.leaf(Tensor::from_fn([2, 3], |i| f(WEIGHTS[i % 3], y.as_slice()[i])));
        let (present, absent) = (x.apply(Sigmoid).ln(), x.mul_scalar(-1.0).apply(Sigmoid).ln());
        let sum = present.mul(&constant(|w, y| w * y)).add(&absent.mul(&constant(|_, y| 1.0 - y))).sum();
        let loss = binary_cross_entropy(&x, &y, Some(&WEIGHTS));
        assert_abs_diff_eq!(loss.value(), sum.mul_scalar(-1.0 / 6.0).value(), epsilon = 1e-14);
    }

    /// `torch.nn.functional.binary_cross_entropy_with_logits` (PyTorch 2, float64), without and with `pos_weight`.
    #[test]
    fn it_is_what_pytorch_computes() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([2, 3], vec![0.5_f64, -1.0, 2.0, -3.0, 0.25, 10.0]));
        for (weights, expected, gradient) in
            [(None, PLAIN, PLAIN_GRADIENT), (Some(&WEIGHTS[..]), WEIGHTED, WEIGHTED_GRADIENT)]
        {
            let loss = binary_cross_entropy(&x, &labels(), weights);
            assert_abs_diff_eq!(loss.value().item(), expected, epsilon = 1e-14);
            let found = tape.backward(&loss, &Exact, [&x]).unwrap()[&x].clone();
            assert_abs_diff_eq!(found, Tensor::new([2, 3], gradient.to_vec()), epsilon = 1e-14);
        }
    }

    #[test]
    fn a_thousand_is_no_problem() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 4], vec![1000.0_f32, -1000.0, 1000.0, -1000.0]));
        let loss = binary_cross_entropy(&x, &Tensor::new([1, 4], vec![1.0, 0.0, 0.0, 1.0]), None);
        assert_eq!(loss.value().item(), 500.0);
        assert_eq!(tape.backward(&loss, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 0.25, -0.25]);
    }

    #[test]
    #[should_panic(expected = "2 weights for 3 labels")]
    fn a_weight_is_missing() {
        let _ = binary_cross_entropy(&Tape::new().leaf(random([2, 3], 1)), &labels(), Some(&[1.0, 2.0]));
    }

    const PLAIN: f64 = 2.256473142182184;
    const PLAIN_GRADIENT: [f64; 6] = [
        -0.0629234447996909,
        0.04482357022833252,
        0.14679951299631372,
        -0.15876235447040554,
        -0.07297058318570032,
        0.11665910035521627,
    ];
    const WEIGHTED: f64 = 2.4964461980063146;
    const WEIGHTED_GRADIENT: [f64; 6] = [
        -0.0629234447996909,
        0.04482357022833252,
        0.14679951299631372,
        -0.15876235447040554,
        -0.25539704114995115,
        0.1166608027752926,
    ];
}
