//! Softmax.

use tensor::blocks::{for_each_part, grain};
use tensor::pairwise_sum;
use tensor::simd::vectorized;

use crate::layers::pointwise::{AsCurve, curve};
use crate::layers::prelude::*;

/// pₖ = exp(xₖ) / Σⱼ exp(xⱼ) over the last dimension, `[…, K]`: over the channels of each position, as attention has it.
/// A softmax at the end of a network is no layer of the model: what enters it are the scores.
///
/// ln pₖ = xₖ − ln Σⱼ exp(xⱼ), so ∂pₖ/∂xⱼ = pₖ·(δₖⱼ − pⱼ), and
///
/// ```text
/// ∂xⱼ = Σₖ ∂pₖ·pₖ·(δₖⱼ − pⱼ) = pⱼ·(∂pⱼ − Σₖ ∂pₖ·pₖ)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("softmax")]
pub struct Softmax;

impl<T: Real> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let p = node.output();
        let classes = p.shape().last().map_or(1, |&k| k.max(1));
        let mut dx = upstream.zip(p, |g, p| g * p);
        let rows = grain(classes) * classes;
        for_each_part(dx.make_mut(), rows, |part, dx| {
            let p = &p.as_slice()[part * rows..][..dx.len()];
            for (dx, p) in dx.chunks_exact_mut(classes).zip(p.chunks_exact(classes)) {
                let total = pairwise_sum(dx);
                dx.iter_mut().zip(p).for_each(|(dx, &p)| *dx -= p * total);
            }
        });
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }
}

/// Replaces a row x by exp(x − max x), which neither overflows nor loses the largest term; gives max x and the sum.
pub(crate) fn exponentials<T: Real>(row: &mut [T]) -> (T, T) {
    let max = greatest(row);
    T::map(Exponential { max: max.as_f64() }.curve(), row);
    (max, pairwise_sum(row))
}

/// The largest of the values; −∞ if there are none.
fn greatest<T: Real>(row: &[T]) -> T {
    const LANES: usize = 16;
    let larger = |a: T, b: T| if b > a { b } else { a };
    vectorized(
        #[inline(always)]
        || {
            let (chunks, rest) = row.as_chunks::<LANES>();
            let mut lanes = [T::neg_infinity(); LANES];
            for chunk in chunks {
                for i in 0..LANES {
                    lanes[i] = larger(lanes[i], chunk[i]);
                }
            }
            lanes.iter().chain(rest).fold(T::neg_infinity(), |a, &b| larger(a, b))
        },
    )
}

/// exp(x − `max`).
#[derive(Clone, Copy, Debug)]
struct Exponential {
    max: f64,
}

curve!(Exponential);

impl Function for Exponential {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        (x - x.like(self.max)).exp()
    }
}

/// Replaces each row of `classes` scores by its probabilities.
fn probabilities<T: Real>(x: &mut [T], classes: usize) {
    for_each_part(x, grain(classes) * classes, |_, rows| {
        for row in rows.chunks_exact_mut(classes) {
            let (_, sum) = exponentials(row);
            vectorized(
                #[inline(always)]
                || row.iter_mut().for_each(|p| *p /= sum),
            );
        }
    });
}

impl SameShape for Softmax {}

impl Record for Softmax {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let shape = *x.shape();
        let probabilities = move |mut x: Tensor<T>| {
            Softmax.map_part(&[], &shape, 0, x.make_mut());
            x
        };
        if let Share::Apart = run.share {
            return x.consumed_by(Softmax, probabilities);
        }
        let from = x.to_value();
        run.share.record(Softmax, &[&x], shape, move |_| probabilities(from.get().clone()))
    }

    fn map_part<T: Real>(&self, _: &[Parameter<T>], shape: &Shape, _: usize, part: &mut [T]) {
        probabilities(part, shape.last().map_or(1, |&k| k.max(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::Softmax;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_definition() {
        let tape = Tape::new();
        let x = tape.leaf(random([4, 6], 1));
        let e = x.exp();
        let literal = e.div(&e.sum_axes(&[1]).reshape([4, 1]));
        approx::assert_abs_diff_eq!(x.apply(Softmax).value(), literal.value(), epsilon = 1e-15);
    }

    #[test]
    fn a_thousand_is_no_problem() {
        let x = Tape::new().leaf(Tensor::new([2, 2], vec![1000.0_f32, -1000.0, -1000.0, -1000.0]));
        assert_eq!(x.apply(Softmax).value().as_slice(), &[1.0, 0.0, 0.5, 0.5]);
    }
}
