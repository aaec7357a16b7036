//! Panels: strips of `NR` columns of a matrix, each contiguous, so that the micro-kernel reads it in order.

use std::ops::Range;

use super::parallel::{ACCESS, Disjoint, for_each};
use super::tile::{columns, max_rows};
use tensor::simd::{Kernel, LINE, Simd, Tier, dispatch_on};

/// A matrix `[rows, columns]` within a slice, plain or transposed: neighbouring values of a row or of a column are adjacent.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// Element `(r, c)` of the matrix is `values[r·row_step + c·column_step]`: the constructors check that it exists.
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix `[rows, columns]`.
    ///
    /// # Panics
    /// If the slice's length isn't `rows · columns`.
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

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The distance between neighbouring values of a row.
    pub(crate) fn column_step(&self) -> usize {
        self.column_step
    }

    /// The submatrix of some rows and columns.
    ///
    /// # Panics
    /// If the matrix doesn't have them.
    pub(crate) fn part(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.end <= self.rows && columns.end <= self.columns, "{rows:?}, {columns:?} of {self:?}");
        let first = rows.start * self.row_step + columns.start * self.column_step;
        let values = if rows.is_empty() || columns.is_empty() { &[] } else { &self.values[first..] };
        Self { values, rows: rows.len(), columns: columns.len(), ..self }
    }

    /// The address of an element, which is readable if the matrix has that row and column.
    pub(crate) fn pointer(&self, row: usize, column: usize) -> *const f32 {
        self.values.as_ptr().wrapping_add(row * self.row_step + column * self.column_step)
    }
}

/// Copies a matrix of 1 to `NR` columns into a panel `[rows, NR]`; the columns that it lacks are zero.
///
/// # Panics
/// If it has another number of columns, or the panel another size.
pub(crate) fn pack_panel<S: Simd>(s: S, source: Matrix<'_>, panel: &mut [f32]) {
    assert!((1..=columns::<S>()).contains(&source.columns) && panel.len() == source.rows * columns::<S>());
    s.vectorize(PackPanel { source, panel });
}

struct PackPanel<'a> {
    source: Matrix<'a>,
    panel: &'a mut [f32],
}

impl Kernel for PackPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.source.column_step == 1 {
            PackRows { source: self.source, panels: self.panel }.run(s);
        } else {
            self.transpose(s);
        }
    }
}

impl PackPanel<'_> {
    /// A matrix whose columns are contiguous, transposed in registers square by square.
    #[inline(always)]
    fn transpose<S: Simd>(self, s: S) {
        let Self { source: Matrix { values, rows, columns: width, column_step, .. }, panel } = self;
        let nr = columns::<S>();
        let whole = rows - rows % S::LANES;
        // A square writes zeros to the columns that it lacks itself.
        if width.next_multiple_of(S::LANES) < nr || whole < rows {
            panel.fill(0.0);
        }
        for column in (0..width).step_by(S::LANES) {
            let n = (width - column).min(S::LANES);
            for row in (0..whole).step_by(S::LANES) {
                let from = &values[column * column_step + row..];
                let to = &mut panel[row * nr + column..];
                assert!(from.len() >= (n - 1) * column_step + S::LANES && to.len() >= (S::LANES - 1) * nr + S::LANES);
                // SAFETY: `from` holds LANES values of `n` columns, `column_step` apart; `to` holds LANES values of LANES
                // rows, `nr` apart.
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

/// Packs a matrix whose rows are contiguous into panels, one after the other. It is read row by row, in the order of memory.
///
/// # Panics
/// If the panels have another size.
pub(crate) fn pack_rows<S: Simd>(s: S, source: Matrix<'_>, panels: &mut [f32]) {
    assert!(source.column_step == 1 && panels.len() == panels_len::<S>(source), "rows of {source:?}");
    s.vectorize(PackRows { source, panels });
}

/// How far ahead of its use a row is prefetched.
const ROWS_AHEAD: usize = 4;

struct PackRows<'a> {
    source: Matrix<'a>,
    panels: &'a mut [f32],
}

impl Kernel for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { source: Matrix { values, rows, columns: width, row_step, .. }, panels } = self;
        let nr = columns::<S>();
        for row in 0..rows {
            let source = &values[row * row_step..][..width];
            let ahead = values.as_ptr().wrapping_add((row + ROWS_AHEAD) * row_step);
            (0..width).step_by(LINE).for_each(|line| s.prefetch(ahead.wrapping_add(line)));
            let targets = panels[row * nr..].chunks_mut((rows * nr).max(1));
            for (source, target) in source.chunks(nr).zip(targets) {
                // Of a length that the compiler knows, the copy is two loads and two stores.
                if source.len() == nr {
                    target[..nr].copy_from_slice(&source[..nr]);
                } else {
                    target[..source.len()].copy_from_slice(source);
                    target[source.len()..nr].fill(0.0);
                }
            }
        }
    }
}

/// Packs a matrix `[K, N]` in blocks of at most `steps` rows, each into panels `[steps, NR]`, one after the other.
pub(crate) fn pack_panels(tier: Tier, b: Matrix<'_>, steps: usize, panels: &mut Vec<f32>) {
    dispatch_on(tier, Resized { b, steps, panels });
}

struct Resized<'a> {
    b: Matrix<'a>,
    steps: usize,
    panels: &'a mut Vec<f32>,
}

impl Kernel for Resized<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.panels.resize(panels_len::<S>(self.b), 0.0);
        pack_blocks(s, self.b, self.steps, self.panels);
    }
}

/// Values of the panels of a matrix.
pub(crate) fn panels_len<S: Simd>(b: Matrix<'_>) -> usize {
    b.rows * b.columns.next_multiple_of(columns::<S>())
}

/// As [`pack_panels`], into panels that have room for the matrix: a product reads them in order.
///
/// # Panics
/// If they have not.
pub(crate) fn pack_blocks<S: Simd>(s: S, b: Matrix<'_>, steps: usize, panels: &mut [f32]) {
    let width = b.columns.next_multiple_of(columns::<S>());
    for first in (0..b.rows).step_by(steps.max(1)) {
        let rows = first..b.rows.min(first + steps);
        pack(s, b.part(rows.clone(), 0..b.columns), &mut panels[rows.start * width..rows.end * width]);
    }
}

/// Packs a matrix into panels, which have room for it.
///
/// # Panics
/// If they have not.
fn pack<S: Simd>(s: S, b: Matrix<'_>, panels: &mut [f32]) {
    let nr = columns::<S>();
    let size = b.rows * nr;
    assert_eq!(panels.len(), panels_len::<S>(b), "values of the panels");
    let panels = Disjoint::new(panels);
    for_each(b.columns.div_ceil(nr), (ACCESS * b.rows * b.columns) as u64, |strip| {
        // SAFETY: each task writes one panel, and the panels lie side by side.
        let panel = unsafe { std::slice::from_raw_parts_mut(panels.pointer().add(strip * size), size) };
        pack_panel(s, b.part(0..b.rows, strip * nr..b.columns.min((strip + 1) * nr)), panel);
    });
}

/// Copies adjacent values of each step, the steps being `step` values apart, tile by tile: the first `count` values of each step
/// side by side into the first tile `[steps, count]`, the next ones into the next tile. Tiles are counts and places.
///
/// # Safety
/// Each step has as many readable values as the tiles have rows, at most [`max_rows`] each, and each tile has room.
#[inline(always)]
pub(crate) unsafe fn gather_tiles<S: Simd>(
    s: S,
    source: *const f32,
    step: usize,
    steps: usize,
    tiles: impl Iterator<Item = (usize, *mut f32)> + Clone,
) {
    s.vectorize(GatherTiles { source, step, steps, tiles });
}

struct GatherTiles<I> {
    source: *const f32,
    step: usize,
    steps: usize,
    tiles: I,
}

/// Steps whose values stay in the first-level cache while one tile after the other takes its own.
const AT_ONCE: usize = 16;

/// Values that callers gather at a time, for several tiles (64 KiB).
pub(crate) const GATHERED_VALUES: usize = 16 << 10;

impl<I: Iterator<Item = (usize, *mut f32)> + Clone> Kernel for GatherTiles<I> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { source, step, steps, tiles } = self;
        for first in (0..steps).step_by(AT_ONCE) {
            let some = AT_ONCE.min(steps - first);
            let mut from = source.wrapping_add(first * step);
            for (count, target) in tiles.clone() {
                let to = target.wrapping_add(first * count);
                // Storing a part of a vector is slow. A whole one is stored where the next step overwrites the excess lanes.
                let whole = (first + some) * count + S::LANES <= steps * count;
                let vectors = const { max_rows::<S>().div_ceil(S::LANES) };
                // SAFETY: the caller of `gather_tiles` guarantees that the values are readable and that the tile has room.
                unsafe {
                    for i in 0..some {
                        let (from, to) = (from.wrapping_add(i * step), to.wrapping_add(i * count));
                        // A whole vector, as long as there are any, and a part.
                        for at in (0..vectors * S::LANES).step_by(S::LANES).take_while(|&at| at < count) {
                            let rest = (count - at).min(S::LANES);
                            s.prefetch(from.wrapping_add(AT_ONCE * step + at));
                            let lanes = s.load_first(from.wrapping_add(at), rest);
                            if whole {
                                s.store(to.wrapping_add(at), lanes)
                            } else {
                                s.store_first(to.wrapping_add(at), lanes, rest)
                            }
                        }
                    }
                }
                from = from.wrapping_add(count);
            }
        }
    }
}
