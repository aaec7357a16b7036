//! Arrays in another order of their dimensions.

/// Elements along each side of the squares that a transposition moves: their rows stay in the first-level cache.
const SIDE: usize = 16;

/// The elements of an array of this shape in the order of these axes.
///
/// # Panics
/// If the shape has another number of elements.
pub(crate) fn permuted<T: Copy>(values: &[T], shape: &[usize], axes: &[usize]) -> Vec<T> {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "as many values as the shape says");
    let step = |axis: usize| shape[axis + 1..].iter().product::<usize>();
    // Axes that stay neighbours are one, and those of one index are none.
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (extent, step) in axes.iter().map(|&axis| (shape[axis], step(axis))).filter(|&(extent, _)| extent != 1) {
        match merged.last_mut() {
            Some((outer, outer_step)) if *outer_step == extent * step => {
                (*outer, *outer_step) = (*outer * extent, step)
            }
            _ => merged.push((extent, step)),
        }
    }
    let mut permuted = values.to_vec();
    let along = |merged: &mut Vec<(usize, usize)>| merged.pop().unwrap_or((1, 1));
    let (columns, column_step) = along(&mut merged);
    let (rows, row_step) = along(&mut merged);
    let matrix = (rows * columns).max(1);
    for (index, to) in permuted.chunks_exact_mut(matrix).enumerate() {
        let (mut start, mut index) = (0, index);
        for &(extent, step) in merged.iter().rev() {
            start += index % extent * step;
            index /= extent;
        }
        let from = &values[start..];
        for row in (0..rows).step_by(SIDE) {
            for column in (0..columns).step_by(SIDE) {
                for row in row..rows.min(row + SIDE) {
                    let to = &mut to[row * columns..][column..columns.min(column + SIDE)];
                    for (i, to) in to.iter_mut().enumerate() {
                        *to = from[row * row_step + (column + i) * column_step];
                    }
                }
            }
        }
    }
    permuted
}

#[cfg(test)]
mod tests {
    use super::permuted;
    use ndarray::ArrayViewD;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_ndarray_permutes(
            (shape, axes) in prop::collection::vec(prop_oneof![Just(1), 0_usize..6, 15_usize..20], 0..5)
                .prop_flat_map(|shape| {
                    let axes: Vec<usize> = (0..shape.len()).collect();
                    (Just(shape), Just(axes).prop_shuffle())
                })
        ) {
            let values: Vec<usize> = (0..shape.iter().product()).collect();
            let literal = ArrayViewD::from_shape(&shape[..], &values).unwrap().permuted_axes(&axes[..]);
            prop_assert_eq!(permuted(&values, &shape, &axes), literal.iter().copied().collect::<Vec<_>>());
        }
    }
}
