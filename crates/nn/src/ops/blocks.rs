//! Work in blocks: on several threads where that pays, with the same bits on any number of them.

use std::ops::Range;

use rayon::prelude::*;
use tensor::Tensor;

use crate::real::Real;
use crate::simd::vectorized;

/// Elements that are worth handing to another thread.
pub(super) const BLOCK: usize = 1 << 15;

/// How many blocks of `work` elements each one thread should take at least.
pub(super) fn grain(work: usize) -> usize {
    BLOCK.div_ceil(work.max(1))
}

/// `f` of every element. Works in place if nothing else shares the memory.
pub(super) fn map<T: Real>(mut x: Tensor<T>, f: impl Fn(T) -> T + Sync) -> Tensor<T> {
    if let Some(data) = x.get_mut() {
        data.par_chunks_mut(BLOCK).for_each(|block| {
            vectorized(
                #[inline(always)]
                || block.iter_mut().for_each(|x| *x = f(*x)),
            )
        });
        return x;
    }
    let mut y = Tensor::scratch(*x.shape());
    let blocks = y.make_mut().par_chunks_mut(BLOCK).zip(x.as_slice().par_chunks(BLOCK));
    blocks.for_each(|(y, x)| {
        vectorized(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x)),
        )
    });
    y
}

/// `f(x, y)` element by element, as [`map`].
pub(super) fn zip<T: Real>(mut x: Tensor<T>, y: &Tensor<T>, f: impl Fn(T, T) -> T + Sync) -> Tensor<T> {
    assert_eq!(x.shape(), y.shape(), "{} and {} differ", x.shape(), y.shape());
    let blocks = x.make_mut().par_chunks_mut(BLOCK).zip(y.as_slice().par_chunks(BLOCK));
    blocks.for_each(|(x, y)| {
        vectorized(
            #[inline(always)]
            || x.iter_mut().zip(y).for_each(|(x, &y)| *x = f(*x, y)),
        )
    });
    x
}

/// Values of a loop that is long enough to be vectorized well.
const LOOP: usize = 512;

/// `y ← f(y, x, parameters)` element by element, where the last dimension of both is the channel and each parameter has
/// a value for each channel.
pub(super) fn zip_by_channel<T: Real, const K: usize>(
    y: &mut Tensor<T>,
    x: &Tensor<T>,
    parameters: [&[T]; K],
    f: impl Fn(T, T, [T; K]) -> T + Sync,
) {
    assert_eq!(x.shape(), y.shape(), "{} and {} differ", x.shape(), y.shape());
    let channels = parameters[0].len().max(1);
    // A few channels make a short loop: the parameters stand there for several pixels at once.
    let pixels = LOOP.div_ceil(channels);
    let repeated = parameters.map(|values| values.repeat(pixels));
    let run = channels * pixels;
    let block = run * grain(run);
    y.make_mut().par_chunks_mut(block).zip(x.as_slice().par_chunks(block)).for_each(|(y, x)| {
        vectorized(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_mut(run).zip(x.chunks(run)) {
                    let parameters = repeated.each_ref().map(|values| &values[..y.len()]);
                    let x = &x[..y.len()];
                    for i in 0..y.len() {
                        y[i] = f(y[i], x[i], parameters.map(|values| values[i]));
                    }
                }
            },
        );
    });
}

/// Terms that are summed up in a plain loop.
const RUN: usize = 16;

/// `width` sums over `terms`, pairwise: `add(i, sums)` adds term `i` to all of them.
///
/// Runs of a few terms are added up in a plain loop, and halves of what is longer apart; so the order, and the result,
/// depends on the number of terms alone.
pub(super) fn sum_terms<T: Real>(terms: Range<usize>, width: usize, add: &(impl Fn(usize, &mut [T]) + Sync)) -> Vec<T> {
    if terms.len() > RUN && terms.len() * width > 2 * BLOCK {
        let (first, second) = halves(terms);
        let (mut sums, others) = rayon::join(|| sum_terms(first, width, add), || sum_terms(second, width, add));
        sums.iter_mut().zip(&others).for_each(|(sum, &other)| *sum += other);
        return sums;
    }
    let levels = terms.len().div_ceil(RUN).next_power_of_two().trailing_zeros() as usize;
    let mut sums = vec![T::zero(); width * (1 + levels)];
    let (result, below) = sums.split_at_mut(width);
    sum_serially(terms, result, below, add);
    sums.truncate(width);
    sums
}

/// The sums over `terms`. `below` has room for the second half's sums, and for those of its halves behind them.
fn sum_serially<T: Real>(terms: Range<usize>, sums: &mut [T], below: &mut [T], add: &impl Fn(usize, &mut [T])) {
    sums.fill(T::zero());
    if terms.len() <= RUN {
        return vectorized(
            #[inline(always)]
            || terms.for_each(|i| add(i, sums)),
        );
    }
    let (first, second) = halves(terms);
    sum_serially(first, sums, below, add);
    let (others, below) = below.split_at_mut(sums.len());
    sum_serially(second, others, below, add);
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += *other);
}

fn halves(terms: Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = terms.start + terms.len().next_power_of_two() / 2;
    (terms.start..middle, middle..terms.end)
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
