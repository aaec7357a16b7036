//! A range of one dimension.

use std::ops::Range;

use crate::blocks::{copy, for_each_row};
use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// A range of one dimension. The gradient is the upstream there and zero elsewhere.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The dimension.
    pub axis: usize,
    /// The indices.
    pub range: Range<usize>,
}

impl<T: Element> Op<T> for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut gradient = Tensor::scratch(*node.input_shape(0));
        let width: usize = gradient.shape()[self.axis + 1..].iter().product();
        let row = gradient.shape()[self.axis] * width;
        let Range { start, end } = self.range;
        for_each_row(gradient.make_mut(), row, |i, row| {
            let (before, rest) = row.split_at_mut(start * width);
            let (inside, behind) = rest.split_at_mut((end - start) * width);
            before.fill(T::zero());
            copy(inside, &upstream.as_slice()[i * inside.len()..][..inside.len()]);
            behind.fill(T::zero());
        });
        Grads::one(gradient)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Moves
    }
}

impl<T: Element> Tensor<T> {
    /// The elements whose index in one dimension is in `range`.
    ///
    /// # Panics
    /// If there is no such dimension, or the range exceeds it.
    #[must_use]
    pub fn slice(&self, axis: usize, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.shape()[axis],
            "{range:?} of dimension {axis} of {}",
            self.shape()
        );
        let mut part = Self::scratch(self.shape().with(axis, range.len()));
        let width: usize = self.shape()[axis + 1..].iter().product();
        let row = self.shape()[axis] * width;
        for_each_row(part.make_mut(), range.len() * width, |i, part| {
            copy(part, &self.as_slice()[i * row + range.start * width..][..part.len()]);
        });
        part
    }
}

impl<T: Element> Var<T> {
    /// The elements whose index in one dimension is in `range`.
    ///
    /// # Panics
    /// If there is no such dimension, or the range exceeds it.
    #[must_use]
    pub fn slice(&self, axis: usize, range: Range<usize>) -> Self {
        let value = self.value().slice(axis, range.clone());
        self.tape().record(Slice { axis, range }, &[self], value)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([2, 5, 2], |i| i as f64 * 0.1);
        gradcheck(&[x], |v| v[0].slice(1, 1..4).tanh()).within(1e-8).unwrap();
    }
}
