//! Permuted dimensions.

use crate::blocks::permute;
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

impl<T: Element> Tensor<T> {
    /// The array with permuted dimensions: dimension `d` of the result is dimension `axes[d]` of this one.
    ///
    /// # Panics
    /// If `axes` isn't a permutation of the dimensions.
    #[must_use]
    pub fn permute(&self, axes: &[usize]) -> Self {
        let rank = self.shape().len();
        let is_permutation = axes.len() == rank && (0..rank).all(|axis| axes.contains(&axis));
        assert!(is_permutation, "{axes:?} is no permutation of the dimensions of {}", self.shape());
        let mut result = Self::scratch(axes.iter().map(|&axis| self.shape()[axis]).collect::<Vec<_>>());
        permute(self.as_slice(), self.shape(), axes, result.make_mut());
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
