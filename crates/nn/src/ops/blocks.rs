//! Work in blocks: on several threads where that pays, with the same bits on any number of them.

use rayon::prelude::*;
use tensor::Tensor;

use crate::real::Real;
use tensor::simd::vectorized;

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
