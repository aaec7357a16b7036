//! The gradients of operations that are linear in an input and in a weight, and add a bias.

use tensor::channel_sums;

use crate::layers::prelude::*;

/// The gradients for ∂y `[…, C]`: those of input and weight as `input` and `weight` write them, that of the bias `[C]`, if there
/// is one, as the sum over all but the last dimension, pairwise.
pub(crate) fn gradients<T: Real>(
    node: &Node<T>,
    upstream: &Tensor<T>,
    wanted: Wanted<'_>,
    input: impl FnOnce(&mut [T]),
    weight: impl FnOnce(&mut [T]),
) -> Grads<T> {
    let mut gradients = vec![
        wanted.then(0, || written(*node.input_shape(0), input)),
        wanted.then(1, || written(*node.input_shape(1), weight)),
    ];
    if node.input_count() == 3 {
        gradients.push(wanted.then(2, || {
            let channels = *upstream.shape().last().expect("at least one dimension");
            let [sums] = channel_sums([upstream.as_slice()], &vec![T::zero(); channels], |[x], _| [x]);
            Tensor::new([channels], sums)
        }));
    }
    Grads::new(gradients)
}

/// A tensor that `write` fills.
pub(crate) fn written<T: Real>(shape: impl Into<tensor::Shape>, write: impl FnOnce(&mut [T])) -> Tensor<T> {
    let mut tensor = Tensor::scratch(shape);
    write(tensor.make_mut());
    tensor
}
