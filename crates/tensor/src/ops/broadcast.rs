//! Element-by-element functions of two arrays whose shapes broadcast.

use ndarray::{IxDyn, Zip};

use crate::element::Element;
use crate::tensor::Tensor;

/// `f(a, b)` over the common shape.
///
/// # Panics
/// Where the shapes don't broadcast.
pub(super) fn zip_broadcast<T: Element>(a: &Tensor<T>, b: &Tensor<T>, f: impl Fn(T, T) -> T) -> Tensor<T> {
    if a.shape() == b.shape() {
        return a.clone().zip(b, f);
    }
    let shape = a.shape().broadcast(b.shape());
    let shape = shape.unwrap_or_else(|| panic!("{} and {} don't broadcast", a.shape(), b.shape()));
    let mut result = Tensor::scratch(shape);
    let (left, right) = (a.view(), b.view());
    let left = left.broadcast(IxDyn(&shape)).expect("the shapes broadcast");
    let right = right.broadcast(IxDyn(&shape)).expect("the shapes broadcast");
    Zip::from(result.view_mut()).and(left).and(right).for_each(|r, &x, &y| *r = f(x, y));
    result
}
