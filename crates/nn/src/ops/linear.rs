//! The fully connected layer.

use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted, channel_sums};

use crate::real::Real;

/// Y = X·W + b: `[N, in]·[in, out] + [out]` → `[N, out]`.
///
/// As for any matrix product, ∂X = ∂Y·Wᵀ and ∂W = Xᵀ·∂Y; the bias is added to every row, so ∂b = Σₙ ∂Yₙ.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

impl<T: Real> Op<T> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, w) = (node.input(0), node.input(1));
        let mut grads = vec![
            wanted.then(0, || {
                let mut dx = Tensor::scratch(*x.shape());
                T::linear_input_gradient(&upstream, w, dx.make_mut());
                dx
            }),
            wanted.then(1, || {
                let mut dw = Tensor::scratch(*w.shape());
                T::linear_weight_gradient(x, &upstream, dw.make_mut());
                dw
            }),
        ];
        if node.input_count() == 3 {
            grads.push(wanted.then(2, || {
                let outputs = w.shape()[1];
                let [sums] = channel_sums([upstream.as_slice()], &vec![T::zero(); outputs], |[x], _| [x]);
                Tensor::new([outputs], sums)
            }));
        }
        Grads::new(grads)
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}

/// X·W + b: `[N, in]·[in, out] + [out]` → `[N, out]`.
///
/// # Panics
/// Where the shapes are others, or the variables stand on different tapes.
#[must_use]
pub fn linear<T: Real>(x: &Var<T>, w: &Var<T>, bias: Option<&Var<T>>) -> Var<T> {
    let (xs, ws) = (x.shape(), w.shape());
    assert!(xs.len() == 2 && ws.len() == 2 && xs[1] == ws[0], "linear: {xs} · {ws} is no matrix product");
    if let Some(bias) = bias {
        assert_eq!(&**bias.shape(), &[ws[1]], "linear: expected a bias [out]");
    }
    let mut y = Tensor::scratch([xs[0], ws[1]]);
    T::linear(x.value(), w.value(), bias.map(|bias| bias.value().as_slice()), y.make_mut());
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
