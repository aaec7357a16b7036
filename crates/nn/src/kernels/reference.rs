//! The matrix product of the reference path: `matrixmultiply`'s, for arrays in any layout.

use matrixmultiply::dgemm;
use ndarray::{ArrayView2, ArrayViewMut2};

/// C = A·B: `[m, k]·[k, n]` → `[m, n]`.
///
/// # Panics
/// If the shapes don't fit together.
pub(crate) fn product(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, mut c: ArrayViewMut2<'_, f64>) {
    let ((m, k), n) = (a.dim(), b.ncols());
    assert!(b.nrows() == k && c.dim() == (m, n), "{:?} · {:?} into {:?}", a.dim(), b.dim(), c.dim());
    let strides = |view: &[isize]| (view[0], view[1]);
    let ((ra, ca), (rb, cb), (rc, cc)) = (strides(a.strides()), strides(b.strides()), strides(c.strides()));
    // SAFETY: pointers and strides are those of views, so every element of the m×k, k×n and m×n matrices lies in memory that
    // is borrowed here; C's is borrowed mutably, so that no two of its elements share an address and neither A nor B overlaps
    // it.
    unsafe {
        dgemm(m, k, n, 1.0, a.as_ptr(), ra, ca, b.as_ptr(), rb, cb, 0.0, c.as_mut_ptr(), rc, cc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_layout_gives_the_product(m in 1_usize..9, k in 1_usize..9, n in 1_usize..9, turned: [bool; 3]) {
            let numbers = |rows: usize, columns: usize, turned: bool| {
                let number = |(i, j): (usize, usize)| ((3 * i + 5 * j) % 7) as f64 - 3.0;
                if turned {
                    Array2::from_shape_fn((columns, rows), |(j, i)| number((i, j))).reversed_axes()
                } else {
                    Array2::from_shape_fn((rows, columns), number)
                }
            };
            let (a, b, mut c) = (numbers(m, k, turned[0]), numbers(k, n, turned[1]), numbers(m, n, turned[2]));
            product(a.view(), b.view(), c.view_mut());
            for ((i, j), &c) in c.indexed_iter() {
                prop_assert_eq!(c, (0..k).map(|p| a[[i, p]] * b[[p, j]]).sum::<f64>());
            }
        }
    }
}
