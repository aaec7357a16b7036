//! Panels: a matrix cut into strips of `NR` columns, each strip contiguous, so that the micro-kernel reads it in order.

/// A matrix `[rows, columns]` within a slice, at any strides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Values between neighbouring rows.
    pub(crate) row_step: usize,
    /// Values between neighbouring columns.
    pub(crate) column_step: usize,
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
