//! Pairwise sums in a fixed order.
//!
//! Halves are summed separately and then added, down to runs that are short enough for a plain loop. So the rounding error of
//! n terms grows with log n instead of n (Higham, *Accuracy and Stability of Numerical Algorithms*, §4.2), and the order
//! depends on n alone: the same numbers give the same bits on any number of threads.

use std::ops::Range;

use crate::blocks::{BLOCK, for_each_part, grain};
use crate::element::Element;
use crate::shape::Shape;
use crate::simd::vectorized;
use crate::tensor::Tensor;

/// Terms that a plain loop adds up.
const RUN: usize = 64;
/// Independent partial sums of that loop: a vector.
const LANES: usize = 8;

/// The halves of a range: the first is as long as the largest power of two that leaves something for the second.
fn halves(range: Range<usize>) -> [Range<usize>; 2] {
    let middle = range.start + range.len().next_power_of_two() / 2;
    [range.start..middle, middle..range.end]
}

/// The sum of all terms, pairwise.
#[must_use]
pub fn pairwise_sum<T: Element>(terms: &[T]) -> T {
    if terms.len() <= BLOCK {
        return vectorized(
            #[inline(always)]
            || sum_block(terms),
        );
    }
    let [a, b] = halves(0..terms.len());
    let (a, b) = rayon::join(|| pairwise_sum(&terms[a]), || pairwise_sum(&terms[b]));
    a + b
}

/// The pairwise sum of at most a block.
#[inline(always)]
fn sum_block<T: Element>(terms: &[T]) -> T {
    // Sums of 2ᵏ runs that wait for as large a right half: the digits of a binary counter.
    let mut waiting = [T::zero(); (BLOCK / RUN).ilog2() as usize + 1];
    let mut count = 0;
    for (index, run) in terms.chunks(RUN).enumerate() {
        let mut sum = sum_run(run);
        for _ in 0..index.trailing_ones() {
            count -= 1;
            sum = waiting[count] + sum;
        }
        waiting[count] = sum;
        count += 1;
    }
    waiting[..count].iter().rev().copied().reduce(|right, left| left + right).unwrap_or(T::zero())
}

#[inline(always)]
fn sum_run<T: Element>(terms: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let chunks = terms.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += x;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Several sums at once over the same range of terms, pairwise: `leaf` writes the sums of a run of at most `run` terms.
pub(crate) fn pairwise_sums<T: Element>(
    terms: Range<usize>,
    run: usize,
    leaf: &(dyn Fn(Range<usize>, &mut [T]) + Sync),
    sums: &mut [T],
) {
    let width = sums.len();
    if terms.len() > run && terms.len() * width > 2 * BLOCK {
        let [first, second] = halves(terms);
        let mut others = vec![T::zero(); width];
        rayon::join(|| pairwise_sums(first, run, leaf, sums), || pairwise_sums(second, run, leaf, &mut others));
        sums.iter_mut().zip(&others).for_each(|(sum, &other)| *sum += other);
    } else {
        let levels = terms.len().div_ceil(run).next_power_of_two().ilog2() as usize;
        serial_sums(terms, run, leaf, sums, &mut vec![T::zero(); width * levels]);
    }
}

/// `below` has room for the second half's sums, and behind them for those of its halves.
fn serial_sums<T: Element>(
    terms: Range<usize>,
    run: usize,
    leaf: &(dyn Fn(Range<usize>, &mut [T]) + Sync),
    sums: &mut [T],
    below: &mut [T],
) {
    if terms.len() <= run {
        return leaf(terms, sums);
    }
    let [first, second] = halves(terms);
    serial_sums(first, run, leaf, sums, below);
    let (others, below) = below.split_at_mut(sums.len());
    serial_sums(second, run, leaf, others, below);
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += *other);
}

/// Adds up `rows` rows of `width` numbers, of which `sums` is for those from the column `first` on.
fn sum_rows<T: Element>(data: &[T], [rows, width]: [usize; 2], first: usize, sums: &mut [T]) {
    const FEW: usize = 8;
    let leaf = |rows: Range<usize>, sums: &mut [T]| {
        vectorized(
            #[inline(always)]
            || {
                let columns = sums.len();
                let mut rows = rows.map(|row| &data[row * width + first..][..columns]);
                sums.copy_from_slice(rows.next().expect("a run has a row"));
                for row in rows {
                    sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
                }
            },
        );
    };
    pairwise_sums(0..rows, FEW, &leaf, sums);
}

impl<T: Element> Tensor<T> {
    /// The sum of all elements, pairwise.
    #[must_use]
    pub fn sum(&self) -> T {
        pairwise_sum(self.as_slice())
    }

    /// The sum over one dimension, which stays with extent 1.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[must_use]
    pub fn sum_axis(&self, axis: usize) -> Self {
        /// Columns whose sums stay in the cache.
        const COLUMNS: usize = 4096;
        let shape = *self.shape();
        let (rows, width) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut result = Self::zeros(shape.with(axis, 1));
        if self.is_empty() {
            return result;
        }
        let sums = grain(rows * width) * width;
        for_each_part(result.make_mut(), sums, |part, sums_of_part| {
            let data = &self.as_slice()[part * sums * rows..][..sums_of_part.len() * rows];
            if width == 1 && rows <= BLOCK {
                vectorized(
                    #[inline(always)]
                    || {
                        sums_of_part
                            .iter_mut()
                            .zip(data.chunks_exact(rows))
                            .for_each(|(sum, row)| *sum = sum_block(row))
                    },
                );
                return;
            }
            for (sums, data) in sums_of_part.chunks_exact_mut(width).zip(data.chunks_exact(rows * width)) {
                if width == 1 {
                    sums[0] = pairwise_sum(data);
                } else {
                    for_each_part(sums, COLUMNS, |i, sums| sum_rows(data, [rows, width], i * COLUMNS, sums));
                }
            }
        });
        result
    }

    /// Sums over the dimensions that broadcasting from `shape` to this tensor's shape repeats: the transpose of broadcasting.
    ///
    /// # Panics
    /// If `shape` doesn't broadcast to this tensor's shape.
    #[must_use]
    pub fn sum_to(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.broadcast(self.shape()), Some(*self.shape()), "{shape} doesn't broadcast to {}", self.shape());
        let added = self.shape().len() - shape.len();
        let mut result = self.clone();
        for axis in 0..self.shape().len() {
            let extent = if axis < added { 1 } else { shape[axis - added] };
            if extent != result.shape()[axis] {
                result = result.sum_axis(axis);
            }
        }
        result.reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_agree_with_double_precision(terms in prop::collection::vec(-1e3_f32..1e3, 0..3000)) {
            let exact: f64 = terms.iter().map(|&x| f64::from(x)).sum();
            let scale: f64 = terms.iter().map(|&x| f64::from(x.abs())).sum();
            // Higham (4.6): |error| ≤ γ·Σ|x| with γ ≈ depth · u; at most 8 + 3 + 6 levels here.
            let bound = 20.0 * f64::from(f32::EPSILON) * scale;
            prop_assert!((f64::from(pairwise_sum(&terms)) - exact).abs() <= bound);
        }

        #[test]
        fn sums_over_a_dimension_agree_with_a_plain_loop(a in 1_usize..4, b in 1_usize..30, c in 1_usize..5, axis in 0_usize..3) {
            let x = Tensor::from_fn([a, b, c], |i| (i as f64 * 0.7).sin());
            let ours = x.sum_axis(axis);
            let theirs = x.view().sum_axis(ndarray::Axis(axis));
            for (o, t) in ours.as_slice().iter().zip(theirs.iter()) {
                prop_assert!((o - t).abs() < 1e-12);
            }
        }
    }

    fn literal_sum(terms: &[f32]) -> f32 {
        if terms.len() <= RUN {
            return sum_run(terms);
        }
        let (a, b) = terms.split_at(terms.len().next_power_of_two() / 2);
        literal_sum(a) + literal_sum(b)
    }

    fn literal_sum_of_rows(rows: &[&[f32]]) -> Vec<f32> {
        let add = |a: Vec<f32>, b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();
        if rows.len() <= 8 {
            return rows[1..].iter().fold(rows[0].to_vec(), |sum, row| add(sum, row));
        }
        let (a, b) = rows.split_at(rows.len().next_power_of_two() / 2);
        add(literal_sum_of_rows(a), &literal_sum_of_rows(b))
    }

    fn on_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
    }

    #[test]
    fn halves_are_summed_apart_on_any_number_of_threads() {
        let terms: Vec<f32> = (0..5 * BLOCK + 77).map(|i| (i as f32 * 0.37).sin()).collect();
        let lengths = (0..700).chain([BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, terms.len()]);
        for len in lengths {
            let expected = literal_sum(&terms[..len]).to_bits();
            assert_eq!(pairwise_sum(&terms[..len]).to_bits(), expected, "{len}");
            if len > BLOCK {
                assert_eq!(on_threads(3, || pairwise_sum(&terms[..len])).to_bits(), expected, "{len}");
            }
        }
    }

    #[test]
    fn sums_over_a_dimension_have_the_same_order_on_any_number_of_threads() {
        for [blocks, rows, width] in
            [[1, 1, 1], [3, 100, 1], [2, 2 * BLOCK, 1], [2, 9, 5], [40, 300, 30], [1, 3000, 70], [1, 3, 10_000]]
        {
            let x = Tensor::from_fn([blocks, rows, width], |i| (i as f32 * 0.37).sin());
            let expected: Vec<f32> = (x.as_slice().chunks(rows * width))
                .flat_map(|block| match width {
                    1 => vec![literal_sum(block)],
                    _ => literal_sum_of_rows(&block.chunks(width).collect::<Vec<_>>()),
                })
                .collect();
            for threads in [1, 3] {
                assert!(on_threads(threads, || x.sum_axis(1)).as_slice() == expected, "{blocks} {rows} {width}");
            }
        }
    }

    #[test]
    fn a_million_tenths_keep_their_digits() {
        let tenths = vec![0.1_f32; 1_000_000];
        let plain: f32 = tenths.iter().sum();
        let pairwise = pairwise_sum(&tenths);
        assert!((pairwise - 100_000.0).abs() < 0.01 && (plain - 100_000.0).abs() > 100.0);
    }

    #[test]
    fn sum_to_undoes_broadcasting() {
        let x = Tensor::from_fn([2, 3, 4], |i| i as f64);
        assert_eq!(x.sum_to([4]).as_slice(), &[60.0, 66.0, 72.0, 78.0]);
        assert_eq!(x.sum_to([2, 1, 1]).as_slice(), &[66.0, 210.0]);
        assert_eq!(x.sum_to([]).item(), 276.0);
    }
}
