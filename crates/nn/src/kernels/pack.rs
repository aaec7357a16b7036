//! Panels: a matrix cut into strips of `NR` columns, each strip contiguous, so that the micro-kernel reads it in order.

use std::ops::Range;

use tensor::simd::{Kernel, Simd, dispatch};

/// A matrix `[rows, columns]` within a slice, plain or transposed.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Values between neighbouring rows.
    pub(crate) row_step: usize,
    /// Values between neighbouring columns.
    pub(crate) column_step: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix `[rows, columns]`.
    ///
    /// # Panics
    /// If there aren't just so many values.
    #[must_use]
    pub fn new(values: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        assert_eq!(values.len(), rows * columns, "values of a matrix [{rows}, {columns}]");
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// The same values with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row_step: self.column_step, column_step: self.row_step, ..self }
    }

    /// Some rows and columns of it; at least one column.
    pub(crate) fn part(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        let first = rows.start * self.row_step + columns.start * self.column_step;
        let values = if rows.is_empty() { &[] } else { &self.values[first..] };
        Self { values, rows: rows.len(), columns: columns.len(), ..self }
    }
}

/// Copies the matrix into a panel `[rows, nr]`, filled up with zero columns.
pub(crate) fn pack_panel(source: Matrix<'_>, nr: usize, panel: &mut [f32]) {
    let Matrix { values, rows, columns, row_step, column_step } = source;
    assert!(columns <= nr && panel.len() == rows * nr);
    if row_step == 1 && column_step != 1 && nr.is_multiple_of(MOST_LANES) {
        return dispatch(Transpose { source, nr, panel });
    }
    if columns < nr {
        panel.fill(0.0);
    }
    if column_step == 1 {
        for (row, target) in panel.chunks_exact_mut(nr).enumerate() {
            target[..columns].copy_from_slice(&values[row * row_step..][..columns]);
        }
    } else {
        for (row, target) in panel.chunks_exact_mut(nr).enumerate() {
            let values = values[row * row_step..].iter().step_by(column_step);
            target[..columns].iter_mut().zip(values).for_each(|(target, &value)| *target = value);
        }
    }
}

/// Lanes of the widest tier.
const MOST_LANES: usize = 16;

/// A matrix whose columns are contiguous, in squares that registers hold.
struct Transpose<'a> {
    source: Matrix<'a>,
    nr: usize,
    panel: &'a mut [f32],
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { source: Matrix { values, rows, columns, column_step, .. }, nr, panel } = self;
        let whole = rows - rows % S::LANES;
        // Squares fill up their own columns.
        if columns.next_multiple_of(S::LANES) < nr || whole < rows {
            panel.fill(0.0);
        }
        for column in (0..columns).step_by(S::LANES) {
            let n = (columns - column).min(S::LANES);
            for row in (0..whole).step_by(S::LANES) {
                let from = &values[column * column_step + row..];
                let to = &mut panel[row * nr + column..];
                assert!(from.len() >= (n - 1) * column_step + S::LANES && to.len() >= (S::LANES - 1) * nr + S::LANES);
                // SAFETY: `n` columns begin in `from`, and LANES rows of the panel in `to`, as many values apart.
                unsafe { s.transpose(from.as_ptr(), column_step, n, to.as_mut_ptr(), nr) };
            }
            for i in column..column + n {
                for row in whole..rows {
                    panel[row * nr + i] = values[i * column_step + row];
                }
            }
        }
    }
}
