//! Arrays in another order of their dimensions.

/// Elements along each side of the squares that a transposition moves: a square's lines stay in the first-level cache.
const SIDE: usize = 16;

/// Elements of a row of the result that are written before the next row: their sources' lines stay in the second-level cache
/// until all of each is read.
const WIDTH: usize = 1024;

/// An axis of the result: how far apart its neighbours are in the source and in the result.
#[derive(Clone, Copy)]
struct Axis {
    extent: usize,
    from: usize,
    to: usize,
}

/// The elements of an array of this shape in the order of these axes, each as `read` gives it.
///
/// # Panics
/// If the shape has another number of elements.
pub(crate) fn permuted<S: Copy, T: Copy + Default>(
    values: &[S],
    shape: &[usize],
    axes: &[usize],
    read: impl Fn(S) -> T,
) -> Vec<T> {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "as many values as the shape says");
    let mut outer = merged(shape, axes);
    if outer.len() < 2 || values.is_empty() {
        return values.iter().map(|&value| read(value)).collect();
    }
    let mut permuted = vec![T::default(); values.len()];
    let columns = outer.pop().expect("two axes or more");
    if columns.from == 1 {
        for_each(&outer, [0, 0], &mut |[from, to]| {
            let from = &values[from..][..columns.extent];
            permuted[to..].iter_mut().zip(from).for_each(|(to, &from)| *to = read(from));
        });
        return permuted;
    }
    let rows = outer.iter().position(|axis| axis.from == 1).expect("neighbours in the source lie along one axis");
    let rows = outer.remove(rows);
    for first in (0..columns.extent).step_by(WIDTH) {
        let end = columns.extent.min(first + WIDTH);
        for_each(&outer, [0, 0], &mut |[from, to]| {
            for row in (0..rows.extent).step_by(SIDE) {
                for column in (first..end).step_by(SIDE) {
                    let size = [rows.extent - row, end - column].map(|rest| rest.min(SIDE));
                    let from = &values[from + row + column * columns.from..];
                    let to = &mut permuted[to + row * rows.to + column..];
                    transpose(from, columns.from, to, rows.to, size, &read);
                }
            }
        });
    }
    permuted
}

/// The result's axes, the slowest first. Axes that stay neighbours are one, and those of one index are none.
fn merged(shape: &[usize], axes: &[usize]) -> Vec<Axis> {
    let mut merged: Vec<Axis> = Vec::new();
    for &axis in axes.iter().filter(|&&axis| shape[axis] != 1) {
        let (extent, from) = (shape[axis], shape[axis + 1..].iter().product());
        match merged.last_mut() {
            Some(outer) if outer.from == extent * from => (outer.extent, outer.from) = (outer.extent * extent, from),
            _ => merged.push(Axis { extent, from, to: 0 }),
        }
    }
    let mut to = 1;
    for axis in merged.iter_mut().rev() {
        axis.to = to;
        to *= axis.extent;
    }
    merged
}

/// Calls `f` with the places, in the source and in the result, of each index of these axes.
fn for_each(axes: &[Axis], [from, to]: [usize; 2], f: &mut impl FnMut([usize; 2])) {
    match axes.split_first() {
        None => f([from, to]),
        Some((axis, rest)) => {
            (0..axis.extent).for_each(|i| for_each(rest, [from + i * axis.from, to + i * axis.to], f));
        }
    }
}

/// Moves `height` neighbours of each of `width` rows of the source to columns of the result.
fn transpose<S: Copy, T: Copy + Default>(
    from: &[S],
    from_step: usize,
    to: &mut [T],
    to_step: usize,
    [height, width]: [usize; 2],
    read: &impl Fn(S) -> T,
) {
    if [height, width] != [SIDE; 2] {
        for j in 0..height {
            let to = &mut to[j * to_step..][..width];
            to.iter_mut().enumerate().for_each(|(i, to)| *to = read(from[j + i * from_step]));
        }
        return;
    }
    let square: [[T; SIDE]; SIDE] = std::array::from_fn(|i| {
        let from: &[S; SIDE] = from[i * from_step..].first_chunk().expect("a square's row");
        from.map(read)
    });
    for j in 0..SIDE {
        let to: &mut [T; SIDE] = to[j * to_step..].first_chunk_mut().expect("a square's row");
        *to = std::array::from_fn(|i| square[i][j]);
    }
}

#[cfg(test)]
mod tests {
    use super::permuted;
    use ndarray::ArrayViewD;
    use proptest::prelude::*;

    fn check(shape: &[usize], axes: &[usize]) {
        let values: Vec<usize> = (0..shape.iter().product()).collect();
        let literal = ArrayViewD::from_shape(shape, &values).unwrap().permuted_axes(axes);
        let literal: Vec<usize> = literal.iter().map(|&value| value + 1).collect();
        assert!(permuted(&values, shape, axes, |value| value + 1) == literal, "{shape:?} {axes:?}");
    }

    proptest! {
        #[test]
        fn it_is_what_ndarray_permutes(
            (shape, axes) in prop::collection::vec(prop_oneof![Just(1), 0_usize..6, 15_usize..20, 30_usize..36], 0..5)
                .prop_flat_map(|shape| {
                    let axes: Vec<usize> = (0..shape.len()).collect();
                    (Just(shape), Just(axes).prop_shuffle())
                })
        ) {
            check(&shape, &axes);
        }
    }

    #[test]
    fn long_rows_are_written_in_parts() {
        check(&[2051, 3, 17], &[2, 1, 0]);
        check(&[1024, 40], &[1, 0]);
    }
}
