//! Arrays in another order of their dimensions.

use ndarray::ArrayViewD;

/// The elements of an array of this shape in the order of these axes.
pub(crate) fn permuted<T: Copy>(values: &[T], shape: &[usize], axes: &[usize]) -> Vec<T> {
    let array = ArrayViewD::from_shape(shape, values).expect("as many values as the shape says");
    array.permuted_axes(axes).iter().copied().collect()
}
