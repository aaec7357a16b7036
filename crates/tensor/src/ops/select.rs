//! Elements of one dimension, in any order.

use crate::{Element, Grads, Linearity, Needs, Node, Op, Shape, Tensor, Var, Wanted};

/// `y[…, i, …] = x[…, aᵢ, …]` along one dimension, for given places aᵢ: any element of x once, several times or never. What
/// was copied several times gets the sum of its copies' gradients, `∂x[…, a, …] = Σ ∂y[…, i, …]` over i with aᵢ = a.
#[derive(Clone, Debug)]
pub struct Select {
    /// The dimension.
    pub axis: usize,
    /// aᵢ.
    pub places: Vec<usize>,
}

impl Select {
    /// Calls `f(a, i)` for each copy, with the ranges of the one in x and of the other in y.
    fn for_each(&self, x: &Shape, mut f: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>)) {
        let (before, extent) = (x[..self.axis].iter().product::<usize>(), x[self.axis]);
        let width: usize = x[self.axis + 1..].iter().product();
        let element = |index: usize| index * width..(index + 1) * width;
        for block in 0..before {
            for (i, &place) in self.places.iter().enumerate() {
                f(element(block * extent + place), element(block * self.places.len() + i));
            }
        }
    }
}

impl<T: Element> Op<T> for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut dx = Tensor::zeros(*node.input_shape(0));
        let (to, from) = (dx.make_mut(), upstream.as_slice());
        self.for_each(node.input_shape(0), |x, y| to[x].iter_mut().zip(&from[y]).for_each(|(dx, &g)| *dx += g));
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}

impl<T: Element> Var<T> {
    /// The elements at these places of a dimension, in their order.
    ///
    /// # Panics
    /// Where there is no such dimension or place.
    #[must_use]
    pub fn select(&self, axis: usize, places: &[usize]) -> Self {
        let op = Select { axis, places: places.to_vec() };
        let mut y = Tensor::scratch(self.shape().with(axis, places.len()));
        assert!(
            places.iter().all(|&place| place < self.shape()[axis]),
            "{places:?} in dimension {axis} of {}",
            self.shape()
        );
        let (to, from) = (y.make_mut(), self.value().as_slice());
        op.for_each(self.shape(), |x, y| to[y].copy_from_slice(&from[x]));
        self.tape().record(op, &[self], y)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;

    use crate::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([2, 4, 3], |i| (i as f64 * 0.7).sin());
        for (axis, places) in [(0, &[1, 1, 0][..]), (1, &[3, 0]), (2, &[2, 1, 0, 2, 2]), (2, &[])] {
            gradcheck(std::slice::from_ref(&x), |v| v[0].select(axis, places).tanh()).within(1e-8).unwrap();
        }
    }

    #[test]
    fn it_is_what_ndarray_selects() {
        let x = Tensor::from_fn([2, 4, 3], |i| i as f64);
        for (axis, places) in [(0, &[1, 1, 0][..]), (1, &[3, 0]), (2, &[2, 1, 0, 2, 2])] {
            let literal = x.view().select(Axis(axis), places);
            assert_eq!(Tape::new().leaf(x.clone()).select(axis, places).value(), &Tensor::from(literal));
        }
    }
}
