//! Concatenation.

use crate::blocks::{copy, for_each_row};
use crate::{Element, Grads, Nature, Needs, Node, Op, Shape, Tensor, Var, Wanted};

/// Arrays concatenated along a dimension. The gradient of an input is its part of the upstream.
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    /// The dimension.
    pub axis: usize,
}

impl<T: Element> Op<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let mut end = 0;
        let parts = (0..node.input_count()).map(|index| {
            let start = end;
            end += node.input_shape(index)[self.axis];
            wanted.then(index, || upstream.slice(self.axis, start..end))
        });
        Grads::new(parts.collect::<Vec<_>>())
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Moves
    }
}

/// Concatenates variables along a dimension.
///
/// # Panics
/// If there are none, they are on different tapes, or their shapes differ in another dimension.
#[must_use]
pub fn concat<T: Element>(vars: &[&Var<T>], axis: usize) -> Var<T> {
    let shapes: Vec<_> = vars.iter().map(|var| *var.shape()).collect();
    let extent = shapes.iter().filter_map(|shape| shape.get(axis)).sum();
    let fits = |shape: &Shape| axis < shape.len() && shape.with(axis, extent) == shapes[0].with(axis, extent);
    assert!(!vars.is_empty() && shapes.iter().all(fits), "{shapes:?} can't be joined along dimension {axis}");
    let width = |shape: &Shape| shape[axis..].iter().product::<usize>();
    let mut joined = Tensor::scratch(shapes[0].with(axis, extent));
    let row = width(joined.shape());
    for_each_row(joined.make_mut(), row, |i, mut row| {
        for var in vars {
            let width = width(var.shape());
            let (part, rest) = std::mem::take(&mut row).split_at_mut(width);
            copy(part, &var.value().as_slice()[i * width..][..width]);
            row = rest;
        }
    });
    vars[0].tape().record(Concat { axis }, vars, joined)
}

#[cfg(test)]
mod tests {
    use super::concat;
    use crate::{Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let a = Tensor::from_fn([2, 3, 2], |i| i as f64 * 0.1);
        let b = Tensor::from_fn([2, 1, 2], |i| 1.0 - i as f64 * 0.2);
        gradcheck(&[a, b], |v| concat(&[&v[0], &v[1], &v[0]], 1).tanh()).within(1e-8).unwrap();
    }
}
