//! Pairwise sums in a fixed order.
//!
//! Halves are summed apart and then added, down to runs short enough for a plain loop: the rounding error of n terms
//! grows with log n instead of n (Higham, *Accuracy and Stability of Numerical Algorithms*, §4.2), and the order depends on
//! n alone, so the same numbers give the same bits on any number of threads.

use crate::element::Element;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Runs of at most this many terms are summed by a plain loop.
const RUN: usize = 64;
/// Independent partial sums of that loop, for the vector unit's sake.
const LANES: usize = 8;

/// The sum of all terms, pairwise.
#[must_use]
pub fn pairwise_sum<T: Element>(terms: &[T]) -> T {
    if terms.len() > RUN {
        let (a, b) = terms.split_at(terms.len().next_power_of_two() / 2);
        return pairwise_sum(a) + pairwise_sum(b);
    }
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

/// Adds up `rows` rows of `width` numbers, pairwise: `[rows, width]` → `[width]`.
fn sum_rows<T: Element>(data: &[T], rows: usize, width: usize, total: &mut [T]) {
    const FEW: usize = 8;
    if rows <= FEW {
        total.copy_from_slice(&data[..width]);
        for row in data.chunks_exact(width).skip(1) {
            total.iter_mut().zip(row).for_each(|(t, &x)| *t += x);
        }
        return;
    }
    let half = rows.next_power_of_two() / 2;
    let (a, b) = data.split_at(half * width);
    sum_rows(a, half, width, total);
    let mut other = vec![T::zero(); width];
    sum_rows(b, rows - half, width, &mut other);
    total.iter_mut().zip(&other).for_each(|(t, &x)| *t += x);
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
    /// Where there is no such dimension.
    #[must_use]
    pub fn sum_axis(&self, axis: usize) -> Self {
        let shape = *self.shape();
        let (rows, width) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut result = Self::zeros(shape.with(axis, 1));
        if self.is_empty() {
            return result;
        }
        let blocks = self.as_slice().chunks_exact(rows * width);
        if width == 1 {
            result.make_mut().iter_mut().zip(blocks).for_each(|(total, block)| *total = pairwise_sum(block));
        } else {
            let totals = result.make_mut().chunks_exact_mut(width);
            totals.zip(blocks).for_each(|(total, block)| sum_rows(block, rows, width, total));
        }
        result
    }

    /// Sums over whatever broadcasting from `shape` to this tensor's shape repeated: the transpose of broadcasting.
    ///
    /// # Panics
    /// Where `shape` doesn't broadcast to this tensor's shape.
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
