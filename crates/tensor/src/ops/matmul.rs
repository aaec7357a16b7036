//! The matrix product.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, Ix2};

use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// Y = A·B: `[m, k] · [k, n]` → `[m, n]`.
///
/// Yᵢⱼ = Σₚ Aᵢₚ Bₚⱼ, so an upstream G gives Σⱼ Gᵢⱼ Bₚⱼ for Aᵢₚ and Σᵢ Aᵢₚ Gᵢⱼ for Bₚⱼ:
///
/// ∂A = G·Bᵀ: `[m, n] · [n, k]`, and ∂B = Aᵀ·G: `[k, m] · [m, n]`.
#[derive(Clone, Copy, Debug)]
pub struct MatMul;

impl<T: Element> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let g = matrix(&upstream);
        Grads::new([
            wanted.then(0, || product(g, matrix(node.input(1)).reversed_axes())),
            wanted.then(1, || product(matrix(node.input(0)).reversed_axes(), g)),
        ])
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn nature(&self) -> Nature {
        Nature::Multilinear
    }
}

fn matrix<T: Element>(tensor: &Tensor<T>) -> ArrayView2<'_, T> {
    let shape = tensor.shape();
    assert_eq!(shape.len(), 2, "expected a matrix, found {shape}");
    ArrayView2::from_shape((shape[0], shape[1]), tensor.as_slice()).expect("a tensor is contiguous")
}

fn product<T: Element>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>) -> Tensor<T> {
    let mut result = Tensor::zeros([a.nrows(), b.ncols()]);
    let mut view = result.view_mut().into_dimensionality::<Ix2>().expect("two dimensions");
    general_mat_mul(T::one(), &a, &b, T::zero(), &mut view);
    result
}

impl<T: Element> Var<T> {
    /// The matrix product: `[m, k] · [k, n]` → `[m, n]`.
    ///
    /// # Panics
    /// If the shapes don't fit, or the two are on different tapes.
    #[must_use]
    pub fn matmul(&self, other: &Self) -> Self {
        let (a, b) = (self.shape(), other.shape());
        assert!(a.len() == 2 && b.len() == 2 && a[1] == b[0], "{a} · {b} is no matrix product");
        let value = product(matrix(self.value()), matrix(other.value()));
        self.tape().record(MatMul, &[self, other], value)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let a = Tensor::from_fn([3, 4], |i| (i as f64 * 1.3).sin());
        let b = Tensor::from_fn([4, 2], |i| (i as f64 * 0.7).cos());
        gradcheck(&[a, b], |v| v[0].matmul(&v[1])).within(1e-8).unwrap();
    }

    #[test]
    fn rows_meet_columns() {
        let tape = Tape::new();
        let a = tape.leaf(Tensor::new([2, 2], vec![1.0, 2.0, 3.0, 4.0]));
        let b = tape.leaf(Tensor::new([2, 1], vec![10.0, 1.0]));
        assert_eq!(a.matmul(&b).value().as_slice(), &[12.0, 34.0]);
    }
}
