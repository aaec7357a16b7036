//! The fully connected layer.

use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use super::conv2d::{conv2d_value, input_and_weight_gradients, sum_over_pixels};
use crate::geometry::Conv2d;
use crate::real::Real;

/// Y = X·W + b: `[N, in]·[in, out] + [out]` → `[N, out]`.
///
/// As for any matrix product, ∂X = ∂Y·Wᵀ and ∂W = Xᵀ·∂Y; the bias is added to every row, so ∂b = Σₙ ∂Yₙ. It is
/// computed as what it also is: a 1×1 convolution over pictures of one pixel.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

impl<T: Real> Op<T> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, w) = (pixels(node.input(0)), kernel(node.input(1)));
        let bias = (node.input_count() == 3).then(|| wanted.then(2, || sum_over_pixels(&upstream)));
        let [dx, dw] = input_and_weight_gradients(&x, &w, &pixels(&upstream), Conv2d::default(), wanted);
        let flat = |gradient: Option<Tensor<T>>, input: usize| gradient.map(|g| g.reshape(*node.input_shape(input)));
        let mut grads = vec![flat(dx, 0), flat(dw, 1)];
        grads.extend(bias);
        Grads::new(grads)
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}

/// `[N, C]` → `[N, 1, 1, C]`.
fn pixels<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    x.reshape([x.shape()[0], 1, 1, x.shape()[1]])
}

/// `[in, out]` → `[1, 1, in, out]`.
fn kernel<T: Real>(w: &Tensor<T>) -> Tensor<T> {
    w.reshape([1, 1, w.shape()[0], w.shape()[1]])
}

/// X·W + b: `[N, in]·[in, out] + [out]` → `[N, out]`.
///
/// # Panics
/// Where the shapes are others, or the variables stand on different tapes.
#[must_use]
pub fn linear<T: Real>(x: &Var<T>, w: &Var<T>, bias: Option<&Var<T>>) -> Var<T> {
    let (xs, ws) = (x.shape(), w.shape());
    assert!(xs.len() == 2 && ws.len() == 2 && xs[1] == ws[0], "linear: {xs} · {ws} is no matrix product");
    let y = conv2d_value(&pixels(x.value()), &kernel(w.value()), bias.map(Var::value), Conv2d::default(), false);
    let y = y.reshape([xs[0], ws[1]]);
    match bias {
        Some(bias) => x.tape().record(Linear, &[x, w, bias], y),
        None => x.tape().record(Linear, &[x, w], y),
    }
}

#[cfg(test)]
mod tests {
    use super::linear;
    use crate::ops::testing::random;
    use tensor::{Tape, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let (x, w, b) = (random([3, 4], 1), random([4, 5], 2), random([5], 3));
        gradcheck(&[x, w, b], |v| linear(&v[0], &v[1], Some(&v[2]))).within(1e-8).unwrap();
    }

    #[test]
    fn it_is_the_matrix_product_plus_the_bias() {
        let tape = Tape::new();
        let [x, w, b] = [random([3, 4], 1), random([4, 5], 2), random([5], 3)].map(|t| tape.leaf(t));
        let literal = x.matmul(&w).add(&b);
        approx::assert_abs_diff_eq!(linear(&x, &w, Some(&b)).value(), literal.value(), epsilon = 1e-14);
    }
}
