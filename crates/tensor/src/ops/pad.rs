//! A constant round an array.

use ndarray::{Axis, Slice as Along};

use crate::{Element, Grads, Linearity, Needs, Node, Op, Shape, Tensor, Var, Wanted};

/// A constant round an array; the gradient is the part of the upstream that lies inside.
#[derive(Clone, Debug)]
pub struct Pad {
    /// `(before, after)` for each dimension.
    pub widths: Vec<(usize, usize)>,
}

impl<T: Element> Op<T> for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut inside = upstream.view();
        for (axis, (&(before, _), &extent)) in self.widths.iter().zip(node.input_shape(0).iter()).enumerate() {
            inside.slice_axis_inplace(Axis(axis), Along::from(before..before + extent));
        }
        Grads::one(Tensor::from(inside))
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}

impl<T: Element> Var<T> {
    /// `value` added round the array: `(before, after)` for each dimension.
    ///
    /// # Panics
    /// Where there isn't a pair for each dimension.
    #[must_use]
    pub fn pad(&self, widths: &[(usize, usize)], value: T) -> Self {
        assert_eq!(widths.len(), self.shape().len(), "one pair of widths for each dimension of {}", self.shape());
        let extents = self.shape().iter().zip(widths).map(|(extent, (before, after))| before + extent + after);
        let mut padded = Tensor::full(Shape::from(extents.collect::<Vec<_>>()), value);
        let mut inside = padded.view_mut();
        for (axis, (&(before, _), &extent)) in widths.iter().zip(self.shape().iter()).enumerate() {
            inside.slice_axis_inplace(Axis(axis), Along::from(before..before + extent));
        }
        inside.assign(&self.value().view());
        self.tape().record(Pad { widths: widths.to_vec() }, &[self], padded)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([2, 3], |i| i as f64 * 0.3);
        gradcheck(&[x], |v| v[0].pad(&[(1, 0), (2, 3)], 0.5).tanh()).within(1e-8).unwrap();
    }

    #[test]
    fn the_constant_surrounds_the_array() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 2], vec![1.0, 2.0]));
        let padded = x.pad(&[(1, 0), (0, 1)], 9.0);
        assert_eq!(padded.value(), &Tensor::new([2, 3], vec![9.0, 9.0, 9.0, 1.0, 2.0, 9.0]));
    }
}
