//! Work in blocks: on several threads where that pays, with the same bits on any number of them.

use std::ops::Range;

use rayon::prelude::*;
use tensor::Tensor;

use crate::real::Real;

/// Elements that are worth handing to another thread.
pub(super) const BLOCK: usize = 1 << 13;

/// How many blocks of `work` elements each one thread should take at least.
pub(super) fn grain(work: usize) -> usize {
    BLOCK.div_ceil(work.max(1))
}

/// Elements of a block made of whole pixels of `channels`.
pub(super) fn pixel_block(channels: usize) -> usize {
    channels.max(1) * grain(channels)
}

/// `f` of every element, for an `f` that takes its time, such as the exponential. Works in place if nothing else shares
/// the memory.
pub(super) fn map<T: Real>(mut x: Tensor<T>, f: impl Fn(T) -> T + Sync) -> Tensor<T> {
    x.make_mut().par_chunks_mut(BLOCK).for_each(|block| block.iter_mut().for_each(|x| *x = f(*x)));
    x
}

/// `f(x, y)` element by element, as [`map`].
pub(super) fn zip<T: Real>(mut x: Tensor<T>, y: &Tensor<T>, f: impl Fn(T, T) -> T + Sync) -> Tensor<T> {
    assert_eq!(x.shape(), y.shape(), "{} and {} differ", x.shape(), y.shape());
    let blocks = x.make_mut().par_chunks_mut(BLOCK).zip(y.as_slice().par_chunks(BLOCK));
    blocks.for_each(|(x, y)| x.iter_mut().zip(y).for_each(|(x, &y)| *x = f(*x, y)));
    x
}

/// `width` sums over `terms`, pairwise: `add(i, sums)` adds term `i` to all of them.
///
/// Runs of a few terms are added up in a plain loop, and halves of what is longer apart; so the order, and the result,
/// depends on the number of terms alone.
pub(super) fn sum_terms<T: Real>(terms: Range<usize>, width: usize, add: &(impl Fn(usize, &mut [T]) + Sync)) -> Vec<T> {
    const RUN: usize = 16;
    if terms.len() <= RUN {
        let mut sums = vec![T::zero(); width];
        terms.for_each(|i| add(i, &mut sums));
        return sums;
    }
    let middle = terms.start + terms.len().next_power_of_two() / 2;
    let first = || sum_terms(terms.start..middle, width, add);
    let second = || sum_terms(middle..terms.end, width, add);
    let (mut sums, others) =
        if terms.len() * width > 2 * BLOCK { rayon::join(first, second) } else { (first(), second()) };
    sums.iter_mut().zip(&others).for_each(|(sum, &other)| *sum += other);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_right_and_the_same_on_any_number_of_threads() {
        let x: Vec<f32> = (0..30_000).map(|i| (i as f32 * 0.37).sin()).collect();
        let sums = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                sum_terms(0..10_000, 3, &|i, sums: &mut [f32]| {
                    sums.iter_mut().zip(&x[3 * i..]).for_each(|(sum, &x)| *sum += x);
                })
            })
        };
        assert_eq!(sums(1), sums(3));
        for (c, sum) in sums(2).into_iter().enumerate() {
            let exact: f64 = x.iter().skip(c).step_by(3).map(|&x| f64::from(x)).sum();
            // At most 16 + log₂(10000 / 16) roundings on the way of each term, in a sum of at most 10000.
            assert!((f64::from(sum) - exact).abs() < 26.0 * f64::from(f32::EPSILON) * 10_000.0);
        }
    }
}
