//! The micro-kernel: one tile of a product, kept in registers.
//!
//! `R` rows of two vectors (`NR = 2 · LANES` columns) stay in registers while the reduction runs: a step loads two
//! vectors of the right operand's panel and broadcasts `R` values of the left, each good for two multiply–adds. With
//! `R = 6` under AVX2 that is 12 accumulators, 2 + 1 registers for operands, and 8 loads for 12 multiply–adds, which a
//! core that loads two and multiplies two vectors a cycle hides entirely; with 32 registers `R` reaches 14. Where a multiply–add takes
//! a factor from a lane (NEON), nothing is broadcast: four values of a row are loaded at once, and serve four steps.
//!
//! Kernels exist for every `R` up to [`max_rows`], and [`balanced`] splits rows evenly: 49 rows are four tiles of six and
//! five of five, none of them padded, and a tile of five costs five sixths of one of six.

use super::bounds::Bounds;
use tensor::simd::{Kernel, LINE, Simd};

/// The largest tile that kernels exist for.
pub(crate) const MOST_ROWS: usize = 14;

/// Steps of the reduction that are summed in registers before the sum is added to the result: rounding errors grow as in
/// sums of 64 terms. The cuts depend on a step's position in the panel alone, so that a tile which leaves out runs of zeros
/// has the same bits as one which reads them.
pub(crate) const CHAIN: usize = 64;

/// How far ahead of its use a panel is prefetched that most likely is in a cache, in values: 2 KiB.
pub(crate) const NEAR: usize = 512;

/// Rows of a full tile: the registers hold them, two vectors of the right operand, a broadcast and a spare. By lane, they hold two
/// vectors for each step of [`rank_some`].
pub(crate) const fn max_rows<S: Simd>() -> usize {
    let steps = if S::BY_LANE { S::LANES } else { 0 };
    let rows = (S::REGISTERS - 4) / 2 - steps;
    if rows < MOST_ROWS { rows } else { MOST_ROWS }
}

/// Columns of a tile, and of a packed panel.
pub(crate) const fn columns<S: Simd>() -> usize {
    2 * S::LANES
}

/// Splits `0..n` into the fewest parts of at most `most`, as equal as possible.
pub(crate) fn balanced(n: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> + Clone {
    let parts = n.div_ceil(most.max(1));
    (0..parts).map(move |i| part(n, parts, i))
}

/// The `i`th of `parts` parts of `0..n` that are as equal as possible.
pub(crate) fn part(n: usize, parts: usize, i: usize) -> std::ops::Range<usize> {
    // The product may exceed 32 bits, and a browser's `usize` has no more.
    let edge = |i: usize| (n as u64 * i as u64 / parts as u64) as usize;
    edge(i)..edge(i + 1)
}

/// Evaluates `$body` with the constant `$R` equal to `$rows`, for 1 to `max_rows::<$S>()` rows.
macro_rules! for_rows {
    ($S:ty, $rows:expr, $R:ident => $body:expr) => {
        for_rows!($S, $rows, $R => $body; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    ($S:ty, $rows:expr, $R:ident => $body:expr; $($n:literal)*) => {
        match $rows {
            // A constant condition: no code is generated for tiles that a tier's registers can't hold.
            $($n if const { $n <= $crate::kernels::tile::max_rows::<$S>() } => {
                const $R: usize = $n;
                $body
            })*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}
pub(crate) use for_rows;

/// Adds to `sum` one step of the reduction: the outer product of the values at `left(0)` to `left(R − 1)` and `V` vectors.
///
/// # Safety
/// All of them are readable.
#[inline(always)]
pub(crate) unsafe fn rank_one<S: Simd, const R: usize, const V: usize>(
    s: S,
    sum: &mut [[S::V; V]; R],
    left: impl Fn(usize) -> *const f32,
    right: *const f32,
) {
    // SAFETY: the caller guarantees it.
    unsafe {
        let vectors = right_vectors::<S, V>(s, right);
        for i in 0..R {
            let a = s.splat_at(left(i));
            for v in 0..V {
                sum[i][v] = s.fma(a, vectors[v], sum[i][v]);
            }
        }
    }
}

/// As [`rank_one`], of `R` adjacent values. Where a multiply–add takes a factor from a lane, a load serves all rows of a vector.
///
/// # Safety
/// All of them are readable.
#[inline(always)]
pub(crate) unsafe fn rank_one_adjacent<S: Simd, const R: usize, const V: usize>(
    s: S,
    sum: &mut [[S::V; V]; R],
    left: *const f32,
    right: *const f32,
) {
    // SAFETY: the caller guarantees it. The last load ends with the last value: it may contain some rows again.
    unsafe {
        if !S::BY_LANE || R < S::LANES {
            return rank_one(
                s,
                sum,
                #[inline(always)]
                |i| left.add(i),
                right,
            );
        }
        let vectors = right_vectors::<S, V>(s, right);
        let mut values = s.zero();
        for i in 0..R {
            let first = (i - i % S::LANES).min(R - S::LANES);
            if i % S::LANES == 0 {
                values = s.load(left.add(first));
            }
            for v in 0..V {
                sum[i][v] = s.fma_lane(values, i - first, vectors[v], sum[i][v]);
            }
        }
    }
}

/// Steps of the reduction that [`rank_some`] adds.
pub(crate) const fn at_once<S: Simd>() -> usize {
    if S::BY_LANE { S::LANES } else { 1 }
}

/// Adds [`at_once`] steps, one after the other, whose values are adjacent in each row: from `left(0)` to `left(R − 1)` on. Where a
/// multiply–add takes a factor from a lane, a load serves all of them.
///
/// # Safety
/// All of them are readable, and so are the steps of the panel from `right` on.
#[inline(always)]
pub(crate) unsafe fn rank_some<S: Simd, const R: usize, const V: usize>(
    s: S,
    sum: &mut [[S::V; V]; R],
    left: impl Fn(usize) -> *const f32,
    right: *const f32,
) {
    // SAFETY: the caller guarantees it.
    unsafe {
        if !S::BY_LANE {
            return rank_one(s, sum, left, right);
        }
        const { assert!(!S::BY_LANE || S::LANES == 4, "the lanes are written out") };
        let mut vectors = [[s.zero(); V]; 4];
        for step in 0..4 {
            vectors[step] = right_vectors(s, right.add(step * columns::<S>()));
        }
        for i in 0..R {
            let a = s.load(left(i));
            for v in 0..V {
                let sum = &mut sum[i][v];
                *sum = s.fma_lane(a, 0, vectors[0][v], *sum);
                *sum = s.fma_lane(a, 1, vectors[1][v], *sum);
                *sum = s.fma_lane(a, 2, vectors[2][v], *sum);
                *sum = s.fma_lane(a, 3, vectors[3][v], *sum);
            }
        }
    }
}

/// The right operand's vectors of one step.
///
/// # Safety
/// They are readable.
#[inline(always)]
unsafe fn right_vectors<S: Simd, const V: usize>(s: S, right: *const f32) -> [S::V; V] {
    let mut vectors = [s.zero(); V];
    for v in 0..V {
        // SAFETY: the caller guarantees it.
        vectors[v] = unsafe { s.load(right.add(v * S::LANES)) };
    }
    vectors
}

/// The operands of tiles side by side: `C[i, :] = Σ_run Σ_k A_run[i, k] · B[offset_run + k, :] + bias`, one row of `C` for each of `out`.
///
/// A *run* is a stretch of the reduction along which the values of a left row are evenly spaced in memory.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a> {
    /// For each run, where its first step lies in `panel`, in values.
    pub(crate) offsets: &'a [usize],
    /// For each run, where the left rows start.
    pub(crate) left: Left<'a>,
    /// Steps of a run.
    pub(crate) length: usize,
    /// The distance between neighbouring values of a left row.
    pub(crate) left_step: usize,
    /// The number of tiles. Each has a strip of the right operand, of the bias and of the result, `NR` columns, that follows the
    /// one before.
    pub(crate) strips: usize,
    /// What is needed next: a cache line of it is prefetched at each step. Null for no prefetch.
    pub(crate) ahead: *const f32,
    /// The distance of what is needed next from one strip to the next.
    pub(crate) ahead_step: usize,
    /// The right operand's panels, `NR` values a step.
    pub(crate) panel: &'a [f32],
    /// How far ahead of its use the panel is prefetched, in values.
    pub(crate) prefetch: usize,
    /// Where each row of the result starts.
    pub(crate) out: &'a [*mut f32],
    /// Whether the result lies in no near cache, and is prefetched.
    pub(crate) far: bool,
    /// Columns of the result in a strip: `NR`, or up to that if there is a single one.
    pub(crate) columns: usize,
    /// Whether the sum is added to the present values of the result.
    pub(crate) accumulate: bool,
    /// Added last, one value for each column of all strips.
    pub(crate) bias: Option<&'a [f32]>,
    /// To which results are clipped, after the bias.
    pub(crate) bounds: Bounds,
}

/// Where the left rows of a run start.
#[derive(Clone, Copy)]
pub(crate) enum Left<'a> {
    /// Anywhere: the pointers of all runs, and how many of them each run has.
    Rows(&'a [*const f32], usize),
    /// Evenly shifted: a pointer for each row, and the distance from there to each run, which is the same for all rows.
    Shifted(&'a [*const f32], &'a [isize]),
    /// Side by side: one pointer for each run, and the distance from there to the tile's first row.
    Columns(&'a [*const f32], usize),
}

/// One of the strips.
#[derive(Clone, Copy)]
struct Strip {
    panel: *const f32,
    /// Its first column, counted from that of the first strip.
    column: usize,
    ahead: *const f32,
}

struct Fixed<'a, const R: usize, const V: usize, const COLUMNS: bool>(&'a Tile<'a>);

impl<const R: usize, const V: usize, const COLUMNS: bool> Kernel for Fixed<'_, R, V, COLUMNS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: constructed only by `Tile::run`, whose caller guarantees it.
        unsafe { self.0.fixed::<S, R, V, COLUMNS>(s) }
    }
}

impl Tile<'_> {
    /// Computes the tiles.
    ///
    /// # Safety
    /// A tile has 1 to `max_rows::<S>()` rows and 1 to `NR` columns, `NR` of them if there are several tiles. Each run has `length`
    /// steps in each panel, and as many pointers as there are rows, each to `length` readable values, `left_step` apart. If rows are
    /// evenly shifted, there is a distance for each run, and that is where the pointers lead after it. The bias has
    /// a value for each column. Each row of the result has `columns` writable values in each strip, which overlap neither an operand
    /// nor another row and which no other thread accesses; they are initialised if the sum is added to them.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd>(&self, s: S) {
        debug_assert!(self.columns <= columns::<S>() && (self.strips == 1 || self.columns == columns::<S>()));
        debug_assert!(self.bias.is_none_or(|bias| bias.len() >= (self.strips - 1) * columns::<S>() + self.columns));
        let size = self.panel.len() / self.strips;
        debug_assert!(!matches!(self.left, Left::Shifted(_, shifts) if shifts.len() < self.offsets.len()));
        debug_assert!(self.offsets.iter().all(|at| at + self.length * columns::<S>() <= size));
        for_rows!(S, self.out.len(), R => match (self.columns > S::LANES, self.left) {
            (true, Left::Rows(..) | Left::Shifted(..)) => s.vectorize(Fixed::<R, 2, false>(self)),
            (true, Left::Columns(..)) => s.vectorize(Fixed::<R, 2, true>(self)),
            (false, Left::Rows(..) | Left::Shifted(..)) => s.vectorize(Fixed::<R, 1, false>(self)),
            (false, Left::Columns(..)) => s.vectorize(Fixed::<R, 1, true>(self)),
        });
    }

    /// The tiles for `R` rows and `V` vectors of columns.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn fixed<S: Simd, const R: usize, const V: usize, const COLUMNS: bool>(&self, s: S) {
        let size = self.panel.len() / self.strips;
        let mut panel = self.panel.as_ptr();
        let mut ahead = self.ahead;
        for column in (0..self.strips * columns::<S>()).step_by(columns::<S>()) {
            // SAFETY: the caller guarantees a panel and columns for each strip.
            unsafe { self.strip::<S, R, V, COLUMNS>(s, Strip { panel, column, ahead }) };
            panel = panel.wrapping_add(size);
            ahead = ahead.wrapping_add(self.ahead_step);
        }
    }

    /// One strip.
    ///
    /// # Safety
    /// As for [`run`](Self::run), and the strip is one of the tiles'.
    #[inline(always)]
    unsafe fn strip<S: Simd, const R: usize, const V: usize, const COLUMNS: bool>(&self, s: S, strip: Strip) {
        // SAFETY: the caller guarantees that each run's rows, the panel's steps and the results' columns lie within
        // allocations, and that results overlap no operand.
        unsafe {
            if self.far {
                for line in (0..columns::<S>()).step_by(LINE) {
                    self.out.iter().for_each(|out| s.prefetch(out.wrapping_add(strip.column + line)));
                }
            }
            let mut sum = [[s.zero(); V]; R];
            let mut begun = self.accumulate;
            let mut chain = 0;
            for run in 0..self.offsets.len() {
                let left = self.rows::<R, COLUMNS>(run);
                let offset = *self.offsets.get_unchecked(run);
                let first = offset / columns::<S>();
                let mut right = strip.panel.add(offset);
                let mut at = 0;
                let mut step = 0;
                while step < self.length {
                    let present = (first + step) / CHAIN;
                    if present != chain {
                        self.put(s, sum, strip.column, begun, false);
                        (sum, begun, chain) = ([[s.zero(); V]; R], true, present);
                    }
                    let end = self.length.min((present + 1) * CHAIN - first);
                    if const { !COLUMNS && S::BY_LANE } && self.left_step == 1 {
                        while step + at_once::<S>() <= end {
                            self.prefetch::<S, V>(s, strip.ahead, step, at_once::<S>(), right);
                            rank_some(
                                s,
                                &mut sum,
                                #[inline(always)]
                                |i| left[i].add(at),
                                right,
                            );
                            at += at_once::<S>();
                            right = right.wrapping_add(at_once::<S>() * columns::<S>());
                            step += at_once::<S>();
                        }
                    }
                    while step < end {
                        self.prefetch::<S, V>(s, strip.ahead, step, 1, right);
                        if COLUMNS {
                            rank_one_adjacent(s, &mut sum, left[0].add(at), right);
                        } else {
                            rank_one(
                                s,
                                &mut sum,
                                #[inline(always)]
                                |i| left[i].add(at),
                                right,
                            );
                        }
                        at += self.left_step;
                        right = right.wrapping_add(columns::<S>());
                        step += 1;
                    }
                }
            }
            self.put(s, sum, strip.column, begun, true);
        }
    }

    /// Where the rows of a run start.
    ///
    /// # Safety
    /// As for [`run`](Self::run), and there is such a run.
    #[inline(always)]
    unsafe fn rows<const R: usize, const COLUMNS: bool>(&self, run: usize) -> [*const f32; R] {
        let mut left = [std::ptr::null(); R];
        // SAFETY: the caller guarantees a pointer for each row, or for each run, and a distance for each run.
        unsafe {
            match self.left {
                Left::Columns(starts, first) if COLUMNS => {
                    for i in 0..R {
                        left[i] = starts.get_unchecked(run).wrapping_add(first + i);
                    }
                }
                Left::Rows(starts, each) if !COLUMNS => {
                    for i in 0..R {
                        left[i] = *starts.get_unchecked(run * each + i);
                    }
                }
                Left::Shifted(starts, shifts) if !COLUMNS => {
                    let shift = *shifts.get_unchecked(run);
                    for i in 0..R {
                        left[i] = starts.get_unchecked(i).wrapping_offset(shift);
                    }
                }
                _ => unreachable!("chosen in `Tile::run`"),
            }
        }
        left
    }

    /// Prefetches what is to be prefetched in some steps from `step` on.
    #[inline(always)]
    fn prefetch<S: Simd, const V: usize>(&self, s: S, ahead: *const f32, step: usize, steps: usize, right: *const f32) {
        if !self.ahead.is_null() {
            for step in step..step + steps {
                s.prefetch(ahead.wrapping_add(step * LINE));
            }
        }
        for line in (0..(steps - 1) * columns::<S>() + V * S::LANES).step_by(LINE) {
            s.prefetch(right.wrapping_add(self.prefetch + line));
        }
    }

    /// Writes the sum of a chain to the results from `column` on, or adds it if they have `begun`. After the `last` chain the bias
    /// is added and results are clipped: a sum that started from the bias would be rounded at its magnitude from the first step on.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn put<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        sum: [[S::V; V]; R],
        column: usize,
        begun: bool,
        last: bool,
    ) {
        // SAFETY: the caller guarantees it.
        unsafe {
            if self.columns == V * S::LANES {
                self.put_columns::<S, R, V, true>(s, sum, column, begun, last);
            } else {
                self.put_columns::<S, R, V, false>(s, sum, column, begun, last);
            }
        }
    }

    /// As [`put`](Self::put), all columns of `V` vectors if `FULL`.
    ///
    /// Each loop is so short that the compiler unrolls it. A longer one would index the sums, which would lie in memory then, from
    /// the first step of the reduction on.
    ///
    /// # Safety
    /// As for [`run`](Self::run), and `FULL` if there are as many columns.
    #[inline(always)]
    unsafe fn put_columns<S: Simd, const R: usize, const V: usize, const FULL: bool>(
        &self,
        s: S,
        mut sum: [[S::V; V]; R],
        column: usize,
        begun: bool,
        last: bool,
    ) {
        let lanes = |v: usize| self.columns.saturating_sub(v * S::LANES).min(S::LANES);
        // SAFETY: the caller guarantees the results, and a bias for each column.
        unsafe {
            if begun {
                for i in 0..R {
                    let out = self.out.get_unchecked(i).add(column);
                    for v in 0..V {
                        let p = out.add(v * S::LANES);
                        sum[i][v] = s.add(if FULL { s.load(p) } else { s.load_first(p, lanes(v)) }, sum[i][v]);
                    }
                }
            }
            if last {
                let mut bias = [s.zero(); V];
                if let Some(values) = self.bias {
                    for v in 0..V {
                        let p = values.as_ptr().add(column + v * S::LANES);
                        bias[v] = if FULL { s.load(p) } else { s.load_first(p, lanes(v)) };
                    }
                }
                for i in 0..R {
                    for v in 0..V {
                        sum[i][v] = s.add(sum[i][v], bias[v]);
                    }
                }
                self.bounds.apply_to_all(s, &mut sum);
            }
            for i in 0..R {
                let out = self.out.get_unchecked(i).add(column);
                for v in 0..V {
                    let p = out.add(v * S::LANES);
                    if FULL { s.store(p, sum[i][v]) } else { s.store_first(p, sum[i][v], lanes(v)) }
                }
            }
        }
    }
}
