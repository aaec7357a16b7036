//! Panels: a matrix cut into strips of `NR` columns, each strip contiguous, so that the micro-kernel reads it in order.

use std::ops::Range;

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
    if columns < nr {
        panel.fill(0.0);
    }
    if column_step == 1 {
        for (row, target) in panel.chunks_exact_mut(nr).enumerate() {
            target[..columns].copy_from_slice(&values[row * row_step..][..columns]);
        }
    } else {
        // A transposition, in blocks of a few rows that keep the cache lines of every column at hand.
        const BLOCK: usize = 16;
        for first in (0..rows).step_by(BLOCK) {
            let last = (first + BLOCK).min(rows);
            for column in 0..columns {
                let source = &values[column * column_step..];
                for row in first..last {
                    panel[row * nr + column] = source[row * row_step];
                }
            }
        }
    }
}
