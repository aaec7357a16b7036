//! Loops over arrays in blocks: on several threads where that pays, with the instructions of the process's
//! [tier](crate::simd), and with the same bits on any number of threads.

use rayon::prelude::*;

use crate::element::Element;
use crate::simd::vectorized;
use crate::tensor::Tensor;

/// The elements of a block: enough work for a task.
pub const BLOCK: usize = 1 << 15;

/// The number of pieces, of `work` elements each, that are enough work for a task.
#[must_use]
pub fn grain(work: usize) -> usize {
    BLOCK.div_ceil(work.max(1))
}

/// Splits `data` into parts of `len` elements, the last of which may be shorter, and calls `f(i, part)` for each: in parallel,
/// unless there is only one.
///
/// # Panics
/// If `len` is zero and there is data.
pub fn for_each_part<T: Send>(data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    distribute(data, len, &f);
}

/// Not generic over the function: what rayon makes of a loop takes longer to compile than most functions.
fn distribute<T: Send>(data: &mut [T], len: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    match data.len() {
        0 => (),
        all if all <= len => f(0, data),
        _ => data.par_chunks_mut(len).enumerate().for_each(|(i, part)| f(i, part)),
    }
}

/// Splits `data` into rows of `width` elements and calls `f(i, row)` for each: in parallel, in tasks of a block.
pub(crate) fn for_each_row<T: Send>(data: &mut [T], width: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let rows = grain(width);
    for_each_part(data, rows * width, |i, part| {
        part.chunks_exact_mut(width).enumerate().for_each(|(row, data)| f(i * rows + row, data));
    });
}

/// `y[i] ← f(y[i], [x₁[i], x₂[i], …])` for operands x₁, x₂, …
///
/// # Panics
/// If an operand is shorter than `y`.
pub fn update<T: Element, const K: usize>(y: &mut [T], operands: [&[T]; K], f: impl Fn(T, [T; K]) -> T + Sync) {
    update_each([y], operands, |[y], x| [f(y, x)]);
}

/// As [`update`], for several arrays in a single pass: `[y₁[i], …] ← f([y₁[i], …], [x₁[i], …])`.
///
/// # Panics
/// If an operand is shorter than the first array, or the arrays differ in length.
pub fn update_each<T: Element, const M: usize, const K: usize>(
    arrays: [&mut [T]; M],
    operands: [&[T]; K],
    f: impl Fn([T; M], [T; K]) -> [T; M] + Sync,
) {
    in_blocks(arrays, &|first, arrays| {
        vectorized(
            #[inline(always)]
            || {
                let len = arrays[0].len();
                let operands = cut(operands, first, len);
                let arrays = cut_mut(arrays, len);
                for i in 0..len {
                    let mut y = [T::zero(); M];
                    for k in 0..M {
                        y[k] = arrays[k][i];
                    }
                    y = f(y, elements(operands, i));
                    for k in 0..M {
                        arrays[k][i] = y[k];
                    }
                }
            },
        );
    });
}

/// `len` elements of each array, from `first` on. (A closure within the loops would be another one for each function.)
#[inline(always)]
pub(crate) fn cut<T, const K: usize>(mut arrays: [&[T]; K], first: usize, len: usize) -> [&[T]; K] {
    for array in &mut arrays {
        *array = &array[first..][..len];
    }
    arrays
}

/// The first `len` elements of each array.
#[inline(always)]
fn cut_mut<'a, T, const M: usize>(arrays: &'a mut [&mut [T]; M], len: usize) -> [&'a mut [T]; M] {
    arrays.each_mut().map(|array| &mut array[..len])
}

/// The elements of this index.
#[inline(always)]
pub(crate) fn elements<T: Element, const K: usize>(arrays: [&[T]; K], index: usize) -> [T; K] {
    let mut values = [T::zero(); K];
    for k in 0..K {
        values[k] = arrays[k][index];
    }
    values
}

/// Calls `f(first, blocks)` for the blocks of the arrays that begin at `first`. Not generic over the function, for the reason of
/// `distribute`.
///
/// # Panics
/// If the arrays differ in length.
fn in_blocks<T: Element, const M: usize>(arrays: [&mut [T]; M], f: &(dyn Fn(usize, &mut [&mut [T]; M]) + Sync)) {
    let len = arrays.first().map_or(0, |y| y.len());
    assert!(arrays.iter().all(|y| y.len() == len), "arrays of one length");
    let mut parts: Vec<[&mut [T]; M]> = Vec::with_capacity(len.div_ceil(BLOCK));
    let mut chunks = arrays.map(|y| y.chunks_mut(BLOCK));
    while parts.len() < len.div_ceil(BLOCK) {
        parts.push(chunks.each_mut().map(|chunk| chunk.next().expect("arrays of one length")));
    }
    distribute(&mut parts, 1, &|i, part| f(i * BLOCK, &mut part[0]));
}

/// Copies the elements of `from` to `to`.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn copy<T: Element>(to: &mut [T], from: &[T]) {
    assert_eq!(to.len(), from.len(), "elements to copy");
    if to.len() <= BLOCK {
        return to.copy_from_slice(from);
    }
    for_each_part(to, BLOCK, |block, to| to.copy_from_slice(&from[block * BLOCK..][..to.len()]));
}

/// Writes the elements of an array of the shape `extents` to `y` with permuted dimensions: dimension `d` of the result is
/// dimension `axes[d]` of the array. There may be any number of dimensions.
///
/// # Panics
/// If `axes` isn't a permutation, or `x` or `y` is shorter than the array.
pub fn permute<T: Element>(x: &[T], extents: &[usize], axes: &[usize], y: &mut [T]) {
    let size: usize = extents.iter().product();
    let (x, y) = (&x[..size], &mut y[..size]);
    // The last dimensions that stay where they are: their elements are copied together.
    let kept = (0..axes.len()).rev().take_while(|&axis| axes[axis] == axis).count();
    let (moved, width) = (&axes[..axes.len() - kept], extents[axes.len() - kept..].iter().product::<usize>());
    let step = |axis: usize| extents[axis + 1..].iter().product::<usize>();
    let mut walks: Vec<[usize; 2]> = moved.iter().map(|&axis| [extents[axis], step(axis)]).collect();
    let start = |walks: &[[usize; 2]], mut row: usize| {
        let along = |start, [extent, step]: &[usize; 2]| {
            let at = row % extent;
            row /= extent;
            start + at * step
        };
        walks.iter().rev().fold(0, along)
    };
    if width > 1 || walks.is_empty() {
        return for_each_row(y, width.max(1), |row, y| y.copy_from_slice(&x[start(&walks, row)..][..width]));
    }
    let [extent, step] = walks.pop().expect("dimensions that move");
    for_each_row(y, extent.max(1), |row, y| {
        let first = start(&walks, row);
        y.iter_mut().enumerate().for_each(|(at, y)| *y = x[first + at * step]);
    });
}

/// The elements of a loop that is long enough to be vectorized well.
pub(crate) const LOOP: usize = 512;

/// `y ← f(y, x, parameters)` element by element. The shape of `x` and `y` is `[…, C]`, that of each parameter `[C]`.
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
    let repeated = repeated.each_ref().map(|values| &values[..]);
    let run = channels * pixels;
    let block = run * grain(run);
    for_each_part(y.make_mut(), block, |i, y| {
        let x = &x.as_slice()[i * block..][..y.len()];
        vectorized(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_mut(run).zip(x.chunks(run)) {
                    let parameters = cut(repeated, 0, y.len());
                    let x = &x[..y.len()];
                    for i in 0..y.len() {
                        y[i] = f(y[i], x[i], elements(parameters, i));
                    }
                }
            },
        );
    });
}
