//! Padding with a constant.

use ndarray::{Axis, Slice as Along};

use crate::blocks::for_each_row;
use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// A constant around an array. The gradient is the inner part of the upstream.
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

    fn nature(&self) -> Nature {
        Nature::Affine { bias: None }
    }
}

impl<T: Element> Var<T> {
    /// The array with `value` around it: `(before, after)` for each dimension.
    ///
    /// # Panics
    /// If there isn't a pair for each dimension.
    #[must_use]
    pub fn pad(&self, widths: &[(usize, usize)], value: T) -> Self {
        assert_eq!(widths.len(), self.shape().len(), "one pair of widths for each dimension of {}", self.shape());
        self.tape().record(Pad { widths: widths.to_vec() }, &[self], padded(self.value(), widths, value))
    }
}

fn padded<T: Element>(x: &Tensor<T>, widths: &[(usize, usize)], value: T) -> Tensor<T> {
    let own = x.shape();
    let extents = own.iter().zip(widths).map(|(extent, (before, after))| before + extent + after);
    // The dimensions after the last padded one, together with it, make one row.
    let Some(last) = widths.iter().rposition(|&widths| widths != (0, 0)) else { return x.clone() };
    let mut y = Tensor::scratch(extents.collect::<Vec<_>>());
    let shape = *y.shape();
    let [width, own_width] = [&shape, own].map(|shape| shape[last..].iter().product::<usize>());
    let before = widths[last].0 * own[last + 1..].iter().product::<usize>();
    for_each_row(y.make_mut(), width, |mut index, row| {
        let (mut start, mut step, mut inside) = (0, own_width, true);
        for axis in (0..last).rev() {
            let own_index = (index % shape[axis]).wrapping_sub(widths[axis].0);
            index /= shape[axis];
            inside &= own_index < own[axis];
            start += own_index.min(own[axis]) * step;
            step *= own[axis];
        }
        if !inside {
            return row.fill(value);
        }
        row[..before].fill(value);
        row[before..][..own_width].copy_from_slice(&x.as_slice()[start..][..own_width]);
        row[before + own_width..].fill(value);
    });
    y
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
