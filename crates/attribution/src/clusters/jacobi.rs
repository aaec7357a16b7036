//! Eigenvalues of small symmetric matrices.

use ndarray::Array2;

/// Limit on the sweeps over all pairs. The off-diagonal part shrinks quadratically in the end, so ten suffice for any size
/// that fits here.
const SWEEPS: usize = 50;

/// The eigenvalues of a symmetric matrix, least first, and the eigenvectors as the columns of a matrix: Jacobi's method, which
/// rotates away one pair of off-diagonal elements after the other (Golub and Van Loan, *Matrix Computations*, 2013, algorithm
/// 8.5.3).
pub(super) fn eigen(mut a: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut v = Array2::eye(n);
    let size = a.iter().map(|x| x * x).sum::<f64>();
    for _ in 0..SWEEPS {
        let off: f64 = a.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, x)| x * x).sum();
        if off <= 1e-30 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] != 0.0 {
                    rotate(&mut a, &mut v, p, q);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[[i, i]].total_cmp(&a[[j, j]]));
    let values = order.iter().map(|&i| a[[i, i]]).collect();
    (values, v.select(ndarray::Axis(1), &order))
}

/// Rotates rows and columns p and q so that their common element becomes 0.
fn rotate(a: &mut Array2<f64>, v: &mut Array2<f64>, p: usize, q: usize) {
    let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    let turned = |x: f64, y: f64| (c * x - s * y, s * x + c * y);
    for k in 0..a.nrows() {
        (a[[k, p]], a[[k, q]]) = turned(a[[k, p]], a[[k, q]]);
        (v[[k, p]], v[[k, q]]) = turned(v[[k, p]], v[[k, q]]);
    }
    for k in 0..a.nrows() {
        (a[[p, k]], a[[q, k]]) = turned(a[[p, k]], a[[q, k]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_matrix_is_its_eigenvectors(n in 1usize..12, values in prop::collection::vec(-3.0f64..3.0, 144)) {
            let half = Array2::from_shape_fn((n, n), |(i, j)| values[i * 12 + j]);
            let matrix = &half + &half.t();
            let (eigenvalues, vectors) = eigen(matrix.clone());
            prop_assert!(eigenvalues.windows(2).all(|pair| pair[0] <= pair[1]));
            let orthonormal = vectors.t().dot(&vectors) - Array2::<f64>::eye(n);
            prop_assert!(orthonormal.iter().all(|d| d.abs() < 1e-12));
            let again = vectors.dot(&Array2::from_diag(&ndarray::Array1::from(eigenvalues))).dot(&vectors.t());
            prop_assert!((again - matrix).iter().all(|d| d.abs() < 1e-12 * 12.0));
        }
    }

    /// A path of n nodes has the Laplacian eigenvalues 2 − 2 cos(πk/n).
    #[test]
    fn the_eigenvalues_of_a_path_are_known() {
        let n = 9;
        let path = Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
            0 if i == 0 || i == n - 1 => 1.0,
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        });
        for (k, value) in eigen(path).0.into_iter().enumerate() {
            let expected = 2.0 - 2.0 * (std::f64::consts::PI * k as f64 / n as f64).cos();
            assert!((value - expected).abs() < 1e-13, "{k}: {value} {expected}");
        }
    }

    #[test]
    fn equal_diagonal_elements_are_turned_by_an_eighth() {
        let (values, _) = eigen(ndarray::array![[2.0, 1.0], [1.0, 2.0]]);
        assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15);
    }
}
