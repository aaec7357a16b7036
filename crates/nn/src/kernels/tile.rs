//! The micro-kernel: one tile of a product, kept in registers.
//!
//! `R` rows of two vectors (`NR = 2 · LANES` columns) stay in registers while the reduction runs: a step loads two
//! vectors of the right operand's panel and broadcasts `R` values of the left, each good for two multiply–adds. With
//! `R = 6` under AVX2 that is 12 accumulators, 2 + 1 registers for operands, and 8 loads for 12 multiply–adds, which a
//! core that loads two and multiplies two vectors a cycle hides entirely; with 32 registers `R` reaches 14.
//!
//! Kernels exist for every `R` up to [`max_rows`], and [`balanced`] shares rows out evenly: 49 rows are four tiles of
//! six and five of five, none of them padded, and a tile of five costs five sixths of one of six.

use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

/// The largest tile of any tier.
pub(crate) const MOST_ROWS: usize = 14;

/// Rows of a full tile: what the registers hold besides two vectors of the right operand, a broadcast and a spare.
pub(crate) const fn max_rows<S: Simd>() -> usize {
    (S::REGISTERS - 4) / 2
}

/// Columns of a tile, and of a packed panel.
pub(crate) const fn columns<S: Simd>() -> usize {
    2 * S::LANES
}

/// [`columns`] of a tier.
pub(crate) fn panel_columns(tier: Tier) -> usize {
    struct Columns;
    impl Kernel for Columns {
        type Output = usize;
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> usize {
            columns::<S>()
        }
    }
    dispatch_on(tier, Columns)
}

/// Splits `0..n` into the fewest parts of at most `most`, as equal as can be; the `i`th part.
pub(crate) fn balanced(n: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let parts = n.div_ceil(most.max(1));
    (0..parts).map(move |i| n * i / parts..n * (i + 1) / parts)
}

/// One tile's operands: `C[i, :] = start + Σ_run Σ_k A_run[i, k] · B[offset_run + k, :]` for `i < R`.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// Runs: stretches of the reduction along which the left rows are evenly spaced in memory.
    pub(crate) runs: usize,
    /// For each run, where its first step lies in `panel`, in values.
    pub(crate) offsets: *const usize,
    /// For each run, where the rows start.
    pub(crate) left: Left,
    /// Steps of a run.
    pub(crate) length: usize,
    /// Values between a row's neighbouring steps.
    pub(crate) left_step: usize,
    /// What will be wanted next: a cache line of it is asked for at each step. Null for nothing.
    pub(crate) ahead: *const f32,
    /// The right operand.
    pub(crate) panel: *const f32,
    /// Values between its neighbouring steps.
    pub(crate) panel_step: usize,
    /// A pointer to each row's result.
    pub(crate) out: *const *mut f32,
    /// Valid columns, up to `NR`.
    pub(crate) columns: usize,
    /// What the sum is added to.
    pub(crate) start: Start,
    /// Whether negative results become zero.
    pub(crate) relu: bool,
}

/// Where the rows of a run start.
#[derive(Clone, Copy)]
pub(crate) enum Left {
    /// Anywhere: the pointers of all runs, so many a run.
    Rows(*const *const f32, usize),
    /// Side by side: one pointer a run, and so many values from there to the tile's first row.
    Columns(*const *const f32, usize),
}

/// What else a tile's result holds besides its sum.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Zero,
    /// The result's present value.
    Result,
    /// The same row of `columns` values for each.
    Bias(*const f32),
}

struct Fixed<'a, const R: usize, const V: usize, const COLUMNS: bool>(&'a Tile);

impl<const R: usize, const V: usize, const COLUMNS: bool> Kernel for Fixed<'_, R, V, COLUMNS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // A constant condition: no code arises for tiles that a tier's registers can't hold.
        if const { R <= max_rows::<S>() } {
            // SAFETY: `Tile::run` hands its caller's promise on.
            unsafe { fixed::<S, R, V, COLUMNS>(s, self.0) }
        } else {
            unreachable!("a tile of {R} rows on {}", S::TIER)
        }
    }
}

/// The tile for `R` rows and `V` vectors of columns.
///
/// # Safety
/// As for [`Tile::run`].
#[inline(always)]
unsafe fn fixed<S: Simd, const R: usize, const V: usize, const COLUMNS: bool>(s: S, tile: &Tile) {
    // SAFETY: the caller vouches that each run's rows, the panel's steps and the results' columns lie within
    // allocations, and that results overlap no operand.
    unsafe {
        let mut sum = [[s.zero(); V]; R];
        let mut begun = matches!(tile.start, Start::Result);
        let mut chain = 0;
        for run in 0..tile.runs {
            let mut left = [std::ptr::null(); R];
            for i in 0..R {
                left[i] = match tile.left {
                    Left::Columns(starts, first) if COLUMNS => (*starts.add(run)).add(first + i),
                    Left::Rows(starts, each) if !COLUMNS => *starts.add(run * each + i),
                    _ => unreachable!("chosen in `Tile::run`"),
                };
            }
            let offset = *tile.offsets.add(run);
            let first = offset / columns::<S>();
            let mut b = tile.panel.add(offset);
            let mut at = 0;
            let mut step = 0;
            while step < tile.length {
                let present = (first + step) / CHAIN;
                if present != chain {
                    tile.put(s, &sum, begun, false);
                    (sum, begun, chain) = ([[s.zero(); V]; R], true, present);
                }
                let end = tile.length.min((present + 1) * CHAIN - first);
                while step < end {
                    if !tile.ahead.is_null() {
                        s.prefetch(tile.ahead.wrapping_add(step * LINE));
                    }
                    let mut right = [s.zero(); V];
                    for v in 0..V {
                        right[v] = s.load(b.add(v * S::LANES));
                        // Once a cache line.
                        if v * S::LANES % 16 == 0 {
                            s.prefetch(b.wrapping_add(v * S::LANES + PREFETCH));
                        }
                    }
                    for i in 0..R {
                        let a = s.splat(*left[i].add(at));
                        for v in 0..V {
                            sum[i][v] = s.fma(a, right[v], sum[i][v]);
                        }
                    }
                    at += tile.left_step;
                    b = b.wrapping_add(tile.panel_step);
                    step += 1;
                }
            }
        }
        tile.put(s, &sum, begun, true);
    }
}

/// Steps of the reduction that are summed in one go. The chains' sums are then added up in the result: errors grow as in
/// sums of so many terms, not of all. Where the cuts lie depends on a step's place in the panel alone, so that a tile
/// which leaves runs out has the same bits as one which reads zeros there.
const CHAIN: usize = 64;

/// Values of a cache line.
const LINE: usize = 16;

/// How far ahead the panel is asked for, in values: 2 KiB.
const PREFETCH: usize = 512;

impl Tile {
    /// Adds the sum of a chain to the results, or, if none has `begun`, writes it there. Behind the `last` come the bias
    /// and the ReLU: a sum that started from the bias would be rounded at the bias's size from the first step on.
    ///
    /// # Safety
    /// As for [`Tile::run`].
    #[inline(always)]
    unsafe fn put<S: Simd, const R: usize, const V: usize>(&self, s: S, sum: &[[S::V; V]; R], begun: bool, last: bool) {
        let lanes = |v: usize| self.columns.saturating_sub(v * S::LANES).min(S::LANES);
        let full = self.columns == V * S::LANES;
        // SAFETY: the caller's.
        unsafe {
            let mut bias = [s.zero(); V];
            if let Start::Bias(values) = self.start {
                for v in 0..V {
                    bias[v] = s.load_first(values.add(v * S::LANES), lanes(v));
                }
            }
            for i in 0..R {
                let out = *self.out.add(i);
                for v in 0..V {
                    let p = out.add(v * S::LANES);
                    let mut value = sum[i][v];
                    if begun {
                        value = s.add(if full { s.load(p) } else { s.load_first(p, lanes(v)) }, value);
                    }
                    if last {
                        value = s.add(value, bias[v]);
                        if self.relu {
                            value = s.max(s.zero(), value);
                        }
                    }
                    if full { s.store(p, value) } else { s.store_first(p, value, lanes(v)) }
                }
            }
        }
    }

    /// Computes `rows` rows.
    ///
    /// # Safety
    /// `1 ≤ rows ≤ max_rows::<S>()` and `1 ≤ columns ≤ NR`. For each run there are an offset and `rows` row starts,
    /// each good for `length` steps; the panel holds `NR` values at every step (`LANES`, if `columns ≤ LANES`); the
    /// bias, if any, and each row of the result hold `columns` values. The results overlap neither each other nor an
    /// operand, and no other thread touches them.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd>(&self, s: S, rows: usize) {
        debug_assert!(rows <= max_rows::<S>() && self.columns <= columns::<S>());
        macro_rules! dispatch {
            ($vectors:literal, $columns:literal: $($rows:literal)*) => {
                match rows {
                    $($rows => s.vectorize(Fixed::<$rows, $vectors, $columns>(self)),)*
                    _ => unreachable!("a tile of {rows} rows"),
                }
            };
        }
        match (self.columns > S::LANES, self.left) {
            (true, Left::Rows(..)) => dispatch!(2, false: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            (true, Left::Columns(..)) => dispatch!(2, true: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            (false, Left::Rows(..)) => dispatch!(1, false: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            (false, Left::Columns(..)) => dispatch!(1, true: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        }
    }
}
