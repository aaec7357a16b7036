//! Sums and means.

use crate::{Element, Grads, Nature, Needs, Node, Op, Shape, Tensor, Var, Wanted};

/// y = Σ x over some dimensions, pairwise. The derivative of each term is 1: the gradient is the upstream, repeated.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// The shape, with extent 1 in the dimensions that were summed over.
    kept: Shape,
}

/// y = (1/n) Σ x over some dimensions, pairwise. The derivative of each term is 1/n.
#[derive(Clone, Copy, Debug)]
pub struct Mean {
    /// The shape, with extent 1 in the dimensions that the mean was taken over.
    kept: Shape,
    terms: usize,
}

impl<T: Element> Op<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(upstream.reshape(self.kept).broadcast_to(node.input_shape(0)))
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Linear
    }
}

impl<T: Element> Op<T> for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let factor = T::from_f64(1.0 / self.terms as f64);
        Grads::one(upstream.map(|g| g * factor).reshape(self.kept).broadcast_to(node.input_shape(0)))
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Linear
    }
}

/// The sum over `axes`, which stay with extent 1.
///
/// # Panics
/// If there is no such dimension, or one is named twice.
fn sum_over<T: Element>(x: &Tensor<T>, axes: &[usize]) -> Tensor<T> {
    let sound = axes.iter().enumerate().all(|(i, axis)| *axis < x.shape().len() && !axes[..i].contains(axis));
    assert!(sound, "dimensions {axes:?} of {}", x.shape());
    axes.iter().fold(x.clone(), |x, &axis| x.sum_axis(axis))
}

/// The shape without `axes`.
fn without(shape: &Shape, axes: &[usize]) -> Shape {
    let left = shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    Shape::from(left.map(|(_, &extent)| extent).collect::<Vec<_>>())
}

impl<T: Element> Var<T> {
    /// The sum of all elements: `[]`.
    #[must_use]
    pub fn sum(&self) -> Self {
        self.sum_axes(&(0..self.shape().len()).collect::<Vec<_>>())
    }

    /// The sum over these dimensions, which the result doesn't have.
    ///
    /// # Panics
    /// If there is no such dimension, or one is named twice.
    #[must_use]
    pub fn sum_axes(&self, axes: &[usize]) -> Self {
        let sum = sum_over(self.value(), axes);
        let kept = *sum.shape();
        self.tape().record(Sum { kept }, &[self], sum.reshape(without(self.shape(), axes)))
    }

    /// The mean of all elements: `[]`.
    #[must_use]
    pub fn mean(&self) -> Self {
        self.mean_axes(&(0..self.shape().len()).collect::<Vec<_>>())
    }

    /// The mean over these dimensions, which the result doesn't have.
    ///
    /// # Panics
    /// If there is no such dimension, or one is named twice.
    #[must_use]
    pub fn mean_axes(&self, axes: &[usize]) -> Self {
        let sum = sum_over(self.value(), axes);
        let kept = *sum.shape();
        let terms = axes.iter().map(|&axis| self.shape()[axis]).product::<usize>();
        let mean = sum.map(|x| x / T::from_f64(terms as f64)).reshape(without(self.shape(), axes));
        self.tape().record(Mean { kept, terms }, &[self], mean)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([2, 3, 4], |i| (i as f64 * 1.1).sin());
        gradcheck(std::slice::from_ref(&x), |v| v[0].sum()).within(1e-8).unwrap();
        gradcheck(std::slice::from_ref(&x), |v| v[0].sum_axes(&[1])).within(1e-8).unwrap();
        gradcheck(std::slice::from_ref(&x), |v| v[0].mean_axes(&[0, 2])).within(1e-8).unwrap();
        gradcheck(&[x], |v| v[0].mean()).within(1e-8).unwrap();
    }

    #[test]
    fn summed_dimensions_are_left_out() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::from_fn([2, 3], |i| i as f64));
        assert_eq!(x.sum_axes(&[0]).value(), &Tensor::new([3], vec![3.0, 5.0, 7.0]));
        assert_eq!(x.mean_axes(&[1]).value(), &Tensor::new([2], vec![1.0, 4.0]));
        assert_eq!(x.mean().value(), &Tensor::scalar(2.5));
    }
}
