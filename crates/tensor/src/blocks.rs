//! Loops over arrays in blocks: on several threads where that pays, with the instructions of the process's
//! [tier](crate::simd), and with the same bits on any number of threads.

use rayon::prelude::*;

use crate::element::Element;
use crate::simd::vectorized;
use crate::tensor::Tensor;

/// Elements that are worth a task of their own.
pub const BLOCK: usize = 1 << 15;

/// How many pieces of `work` elements each a task should have at least.
#[must_use]
pub fn grain(work: usize) -> usize {
    BLOCK.div_ceil(work.max(1))
}

/// Calls `f(i, part)` for the parts of `len` elements that `data` consists of, the last of which may be shorter: in parallel,
/// unless there is only one.
pub fn for_each_part<T: Send>(data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    match data.len() {
        0 => (),
        all if all <= len => f(0, data),
        _ => data.par_chunks_mut(len).enumerate().for_each(|(i, part)| f(i, part)),
    }
}

/// Calls `f(i, row)` for the rows of `width` elements that `data` consists of, in parallel.
pub(crate) fn for_each_row<T: Send>(data: &mut [T], width: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let rows = grain(width);
    for_each_part(data, rows * width, |i, part| {
        part.chunks_exact_mut(width).enumerate().for_each(|(row, data)| f(i * rows + row, data));
    });
}

/// `y[i] ← f(y[i], xs)`, where `xs` has the `i`th element of each operand.
///
/// # Panics
/// If an operand is shorter than `y`.
pub(crate) fn update<T: Element, const K: usize>(y: &mut [T], operands: [&[T]; K], f: impl Fn(T, [T; K]) -> T + Sync) {
    for_each_part(y, BLOCK, |block, y| {
        vectorized(
            #[inline(always)]
            || {
                let operands = operands.map(|x| &x[block * BLOCK..][..y.len()]);
                for i in 0..y.len() {
                    y[i] = f(y[i], operands.map(|x| x[i]));
                }
            },
        );
    });
}

/// Copies elements.
///
/// # Panics
/// If there are not equally many.
pub(crate) fn copy<T: Element>(to: &mut [T], from: &[T]) {
    assert_eq!(to.len(), from.len(), "elements to copy");
    for_each_part(to, BLOCK, |block, to| to.copy_from_slice(&from[block * BLOCK..][..to.len()]));
}

/// Elements of a loop that is long enough to be vectorized well.
pub(crate) const LOOP: usize = 512;

/// `y ← f(y, x, parameters)` element by element, where the last dimension of both is the channel and each parameter has
/// a value for each channel.
///
/// # Panics
/// If the shapes of `x` and `y` differ.
pub fn zip_by_channel<T: Element, const K: usize>(
    y: &mut Tensor<T>,
    x: &Tensor<T>,
    parameters: [&[T]; K],
    f: impl Fn(T, T, [T; K]) -> T + Sync,
) {
    assert_eq!(x.shape(), y.shape(), "{} and {} differ", x.shape(), y.shape());
    let channels = parameters[0].len().max(1);
    // A few channels make a short loop, so the parameters are repeated for several pixels.
    let pixels = LOOP.div_ceil(channels);
    let repeated = parameters.map(|values| values.repeat(pixels));
    let run = channels * pixels;
    let block = run * grain(run);
    for_each_part(y.make_mut(), block, |i, y| {
        let x = &x.as_slice()[i * block..][..y.len()];
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
