//! Permuted dimensions.

use crate::blocks::for_each_row;
use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// Permuted dimensions. The gradient is the upstream under the inverse permutation.
#[derive(Clone, Debug)]
pub struct Permute {
    /// Dimension `d` of the output is dimension `axes[d]` of the input.
    pub axes: Vec<usize>,
}

impl<T: Element> Op<T> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn vjp(&self, _: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut inverse = vec![0; self.axes.len()];
        for (to, &from) in self.axes.iter().enumerate() {
            inverse[from] = to;
        }
        Grads::one(upstream.permute(&inverse))
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Moves
    }
}

/// Neighbouring elements that are worth a copy of their own.
const WORTHWHILE: usize = 8;

impl<T: Element> Tensor<T> {
    /// The array with permuted dimensions: dimension `d` of the result is dimension `axes[d]` of this one.
    ///
    /// # Panics
    /// If `axes` isn't a permutation of the dimensions.
    #[must_use]
    pub fn permute(&self, axes: &[usize]) -> Self {
        let rank = axes.len();
        // The last dimensions that stay where they are: their elements are copied together.
        let kept = (0..rank).rev().take_while(|&axis| axes[axis] == axis).count();
        let width: usize = self.shape().iter().skip(rank - kept).product();
        let is_permutation = rank == self.shape().len() && (0..rank).all(|axis| axes.contains(&axis));
        if !is_permutation || width < WORTHWHILE {
            return Self::from(self.view().permuted_axes(axes));
        }
        let (moved, outer) = (&axes[..rank - kept], &self.shape()[..rank - kept]);
        let extents: Vec<usize> = moved.iter().map(|&axis| outer[axis]).collect();
        let steps: Vec<usize> = moved.iter().map(|&axis| outer[axis + 1..].iter().product::<usize>() * width).collect();
        let mut result = Self::scratch([&extents[..], &self.shape()[rank - kept..]].concat());
        let x = self.as_slice();
        for_each_row(result.make_mut(), width, |row, y| {
            let (mut rest, mut start) = (row, 0);
            for (extent, step) in extents.iter().zip(&steps).rev() {
                start += rest % extent * step;
                rest /= extent;
            }
            y.copy_from_slice(&x[start..][..width]);
        });
        result
    }
}

impl<T: Element> Var<T> {
    /// The array with permuted dimensions: dimension `d` of the result is dimension `axes[d]` of this one.
    ///
    /// # Panics
    /// If `axes` isn't a permutation of the dimensions.
    #[must_use]
    pub fn permute(&self, axes: &[usize]) -> Self {
        self.tape().record(Permute { axes: axes.to_vec() }, &[self], self.value().permute(axes))
    }

    /// The transposed matrix: `[m, n]` → `[n, m]`.
    ///
    /// # Panics
    /// If this isn't a matrix.
    #[must_use]
    pub fn transpose(&self) -> Self {
        self.permute(&[1, 0])
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([2, 3, 4], |i| (i as f64).cos());
        gradcheck(&[x], |v| v[0].permute(&[2, 0, 1]).tanh()).within(1e-8).unwrap();
    }

    #[test]
    fn it_is_what_ndarray_permutes() {
        let x = Tensor::from_fn([2, 3, 4, 9], |i| i as f64);
        for axes in [[0, 1, 2, 3], [2, 0, 1, 3], [1, 0, 2, 3], [3, 2, 1, 0]] {
            let literal = Tensor::from(x.view().permuted_axes(&axes[..]));
            assert_eq!(x.permute(&axes), literal, "{axes:?}");
        }
    }

    #[test]
    fn rows_become_columns() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from_fn([2, 3], |i| i as f64));
        assert_eq!(x.transpose().value(), &Tensor::new([3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
    }
}
