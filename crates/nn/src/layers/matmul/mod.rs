//! Products of two activations.

#[cfg(feature = "onnx")]
mod onnx;

use super::inputs::two;
use crate::layers::prelude::*;
use crate::real::{Operand, TASK};
use tensor::blocks::for_each_part;

/// Values between two products that stay in a second-level cache.
const BLOCK_VALUES: usize = 1 << 16;

/// Products of matrices, one for each leading index: `[N, …, M, K]` times `[N, …, K, L]` is `[N, …, M, L]`. If the second is
/// `transposed`, it is `[N, …, L, K]`. The two products of attention (Vaswani et al. 2017, eq. 1) are Q·Kᵀ and A·V.
///
/// As for any matrix product Y = A·B, ∂A = ∂Y·Bᵀ and ∂B = Aᵀ·∂Y; of Y = A·Bᵀ, ∂A = ∂Y·B and ∂B = ∂Yᵀ·A.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("product{}", if self.transposed { ", transposed" } else { "" })]
pub struct MatMul {
    /// Whether the rows of the second input are multiplied, rather than its columns.
    #[serde(default)]
    pub transposed: bool,
}

impl MatMul {
    /// The shape of the product of two matrices for each leading index, if they fit.
    fn shape_of(self, a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
        let (&[ref leading @ .., rows, k], &[ref others @ .., b_rows, b_columns]) = (a, b) else { return None };
        let (inner, columns) = if self.transposed { (b_columns, b_rows) } else { (b_rows, b_columns) };
        (leading == others && inner == k).then(|| [leading, &[rows, columns]].concat())
    }
}

impl Kind for MatMul {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let (a, others) = two(inputs)?;
        let expected = if self.transposed {
            "[N, …, L, K], if the first is [N, …, M, K]"
        } else {
            "[N, …, K, L], if the first is [N, …, M, K]"
        };
        self.shape_of(a, others[0]).ok_or_else(|| LayerError::shape(expected, others[0]))
    }

    fn work(&self, input: &[usize], output: &[usize]) -> Work {
        Work::of_rows(input, output)
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Rows
    }
}

impl<T: Real> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (a, b) = (node.input(0), node.input(1));
        let of_a = || product(&upstream, false, b, !self.transposed);
        let of_b =
            || if self.transposed { product(&upstream, true, a, false) } else { product(a, true, &upstream, false) };
        Grads::new([wanted.then(0, of_a), wanted.then(1, of_b)])
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn nature(&self) -> Nature {
        Nature::Multilinear
    }
}

/// (A·B), a map of each row, times V, a block of rows at a time: what stands between the products is never there as a whole.
/// `[N, …, M, K]` times `[N, …, K, L]` is mapped by `map(first, rows)`, which gets the index of the first value of some rows, and
/// multiplied by `[N, …, L, D]`. Either second operand may be transposed.
///
/// The bits are those of the products and the map apart, since no row of a product depends on another.
pub(crate) fn product_of_mapped<T: Real>(
    a: &Tensor<T>,
    (b, b_transposed): (&Tensor<T>, bool),
    map: impl Fn(usize, &mut [T]) + Sync,
    (v, v_transposed): (&Tensor<T>, bool),
    shape: &[usize],
) -> Tensor<T> {
    let (&[.., m, k], &[.., _, d]) = (&a.shape()[..], shape) else { unreachable!("matrices") };
    let l = v.len() / (a.len() / (m * k)).max(1) / d.max(1);
    let block = (BLOCK_VALUES / l.max(1)).clamp(1, m);
    let mut y = Tensor::scratch(shape);
    // Each with the index of its matrix and of its first row there.
    let mut blocks: Vec<(usize, usize, &mut [T])> = Vec::new();
    for (matrix, rows) in y.make_mut().chunks_mut(m * d).enumerate() {
        blocks.extend(rows.chunks_mut(block * d).enumerate().map(|(index, rows)| (matrix, index * block, rows)));
    }
    for_each_part(&mut blocks, TASK.div_ceil(block * l * (k + d)), |_, blocks| {
        let mut scores = Tensor::scratch([block, l]);
        for (matrix, row, y) in blocks {
            let rows = y.len() / d;
            let scores = &mut scores.make_mut()[..rows * l];
            let first = *matrix * m + *row;
            let a = Operand { values: &a.as_slice()[first * k..][..rows * k], transposed: false };
            let b = Operand { values: &b.as_slice()[*matrix * k * l..][..k * l], transposed: b_transposed };
            let v = Operand { values: &v.as_slice()[*matrix * l * d..][..l * d], transposed: v_transposed };
            T::products(a, b, [rows, k, l], scores);
            map(first * l, scores);
            T::products(Operand { values: scores, transposed: false }, v, [rows, l, d], y);
        }
    });
    y
}

/// The products of the matrices of two tensors. Either may be transposed.
fn product<T: Real>(a: &Tensor<T>, a_transposed: bool, b: &Tensor<T>, b_transposed: bool) -> Tensor<T> {
    let operand = |x: &Tensor<T>, transposed| {
        let [.., rows, columns] = x.shape()[..] else { unreachable!("at least two axes") };
        if transposed { [columns, rows] } else { [rows, columns] }
    };
    let ([m, k], [_, l]) = (operand(a, a_transposed), operand(b, b_transposed));
    let rank = a.shape().len();
    let mut y = Tensor::scratch([&a.shape()[..rank - 2], &[m, l]].concat());
    let [a, b] =
        [(a, a_transposed), (b, b_transposed)].map(|(x, transposed)| Operand { values: x.as_slice(), transposed });
    T::products(a, b, [m, k, l], y.make_mut());
    y
}

impl Record for MatMul {
    fn record<T: Real>(&self, run: Run<'_, T>) -> Var<T> {
        let [a, b] = &run.inputs[..] else { unreachable!("it has two inputs") };
        let shape = self.shape_of(a.shape(), b.shape()).expect("checked when the model was built");
        let ([x, y], transposed) = ([a, b].map(Var::to_value), self.transposed);
        run.share.record(*self, &[a, b], &shape[..], move |_| product(x.get(), false, y.get(), transposed))
    }
}

#[cfg(test)]
mod tests {
    use super::MatMul;
    use crate::layers::testing::*;

    #[test]
    fn it_is_a_product_of_each_pair_of_matrices() {
        for transposed in [false, true] {
            let tape = Tape::new();
            let a = random([2, 3, 4, 5], 1);
            let b = random(if transposed { [2, 3, 6, 5] } else { [2, 3, 5, 6] }, 2);
            let y = tape.leaf(a.clone()).apply_to(MatMul { transposed }, &[&tape.leaf(b.clone())]);
            for pair in 0..6 {
                let [a, b] = [&a, &b].map(|x| {
                    let [rows, columns] = [x.shape()[2], x.shape()[3]];
                    tape.leaf(Tensor::new(
                        [rows, columns],
                        x.as_slice()[pair * rows * columns..][..rows * columns].to_vec(),
                    ))
                });
                let literal = a.matmul(&if transposed { b.transpose() } else { b });
                let found = Tensor::new([4, 6], y.value().as_slice()[pair * 24..][..24].to_vec());
                approx::assert_abs_diff_eq!(&found, literal.value(), epsilon = 1e-14);
            }
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        for (transposed, b) in [(false, [2, 2, 4, 3]), (true, [2, 2, 3, 4])] {
            gradcheck(&[random([2, 2, 3, 4], 1), random(b, 2)], |v| {
                v[0].apply_to(MatMul { transposed }, &[&v[1]]).tanh()
            })
            .within(1e-7)
            .unwrap();
        }
    }
}
