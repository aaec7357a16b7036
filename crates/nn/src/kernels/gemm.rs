//! Matrix products.
//!
//! `C [M, N] = A [M, K] · B [K, N] + bias` in the manner of Goto and van de Geijn (*Anatomy of High-Performance Matrix
//! Multiplication*, 2008), with less packing than usual:
//!
//! - `B` is packed into panels `[K, NR]`, once for any number of products.
//! - `A` isn't packed: the micro-kernel broadcasts its values, and reads them in place. A tile's part is gathered only of a
//!   transposed `A`, and of one whose rows compete for a few sets of the first-level cache.
//! - A long reduction is cut into blocks. Some panels stay in the second-level cache while one tile of rows after the other
//!   passes over them, and so does what some tiles read and write.
//! - With a single tile of rows no panel is read twice: all are read from end to end, at the memory's speed.
//!
//! Each element is a sum of chains of 64 steps in the order of the reduction, and the bias comes last: neither the other
//! rows nor the blocks show in its bits.
//!
//! Tasks are ranges of panels by blocks of rows.

use std::ops::Range;

use super::bounds::Bounds;
use super::finish::Target;
use super::pack::{GATHERED_VALUES, Matrix, gather_tiles, pack_blocks, pack_panels, panels_len};
use super::parallel::{ACCESS, for_each, wanted_tasks};
use super::scratch::with_scratch;
use super::tile::{CHAIN, Left, MOST_ROWS, NEAR, Tile, balanced, columns, max_rows};
use tensor::simd::{Kernel, LINE, Simd, Tier, dispatch_on, tier};

/// Most steps of a block of the reduction.
const STEPS: usize = 1024;

/// Most steps of a block that is gathered: it and a panel's block stay in the first-level cache (AVX2).
const GATHERED: usize = 256;

/// Values after which the lines of a first-level cache of 32 KiB come round to the same set.
const ROUND: usize = 1024;

/// Bytes of panels that stay in the second-level cache.
const PANEL_BYTES: usize = 192 << 10;

/// Bytes of the left operand, and of the result, that stay there too.
const BLOCK_BYTES: usize = 192 << 10;

/// Bytes of a result that is prefetched before it is written: it lies in no near cache.
const FAR_RESULT: usize = 1 << 20;

/// Bytes of panels that are read from memory in each product, not from a cache. With a single tile of rows, whose steps take
/// little time, they are prefetched [`FAR`] ahead.
const LARGE: usize = 8 << 20;

/// 32 KiB, in values.
const FAR: usize = 8192;

/// The right operand `[K, N]` of matrix products, packed once for any number of them.
#[derive(Debug)]
pub(crate) struct Panels {
    tier: Tier,
    shape: [usize; 2],
    values: Vec<f32>,
}

impl Panels {
    /// Packs a matrix.
    pub(crate) fn new(b: Matrix<'_>) -> Self {
        Self::on(tier(), b)
    }

    pub(super) fn on(tier: Tier, b: Matrix<'_>) -> Self {
        let mut panels = Self::room(tier, [b.rows(), b.columns()]);
        panels.update(b);
        panels
    }

    /// For a matrix of that shape, which [`update`](Self::update) packs.
    pub(super) fn room(tier: Tier, shape: [usize; 2]) -> Self {
        Self { tier, shape, values: Vec::new() }
    }

    /// Packs another matrix of the same shape in the same memory.
    ///
    /// # Panics
    /// If it has another shape.
    pub(crate) fn update(&mut self, b: Matrix<'_>) {
        assert_eq!([b.rows(), b.columns()], self.shape, "a matrix in the place of another");
        pack_panels(self.tier, b, block_steps(b.rows()), &mut self.values);
    }

    /// `C = A · B + bias`, clipped to `bounds`: `[M, K] · [K, N] + [N]` → `[M, N]`, row-major.
    ///
    /// # Panics
    /// If the shapes don't fit together.
    pub(crate) fn multiply(&self, a: Matrix<'_>, bias: Option<&[f32]>, bounds: Bounds, c: Target<'_>) {
        dispatch_on(self.tier, Product::new(a, &self.values, self.shape, bias, bounds, c));
    }
}

/// Steps of a block of the reduction. Blocks are about as long, and no chain crosses them.
fn block_steps(k: usize) -> usize {
    let most = if compete(k) { GATHERED } else { STEPS };
    k.div_ceil(k.div_ceil(most).max(1)).next_multiple_of(CHAIN).max(CHAIN)
}

/// Whether rows of `k` values compete for a few sets of the first-level cache.
fn compete(k: usize) -> bool {
    k >= ROUND && k % ROUND < LINE
}

/// `C = A · B`: `[M, K] · [K, N]` → `[M, N]`, row-major.
///
/// # Panics
/// If the shapes don't fit together.
pub fn gemm(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32]) {
    gemm_on(tier(), a, b, c);
}

pub(super) fn gemm_on(tier: Tier, a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32]) {
    dispatch_on(tier, Gemm { a, b, c });
}

struct Gemm<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    c: &'a mut [f32],
}

impl Kernel for Gemm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let shape = [self.b.rows(), self.b.columns()];
        with_scratch(panels_len::<S>(self.b), |panels| {
            pack_blocks(s, self.b, block_steps(self.b.rows()), panels);
            Product::new(self.a, panels, shape, None, Bounds::None, Target::new(self.c)).run(s);
        });
    }
}

/// `C = A · B + bias`, clipped to `bounds`, with `B` in panels.
struct Product<'a> {
    a: Matrix<'a>,
    panels: &'a [f32],
    /// Columns of `B` and of `C`.
    n: usize,
    bias: Option<&'a [f32]>,
    bounds: Bounds,
    c: Target<'a>,
}

impl<'a> Product<'a> {
    /// # Panics
    /// If the shapes don't fit together.
    fn new(
        a: Matrix<'a>,
        panels: &'a [f32],
        [k, n]: [usize; 2],
        bias: Option<&'a [f32]>,
        bounds: Bounds,
        c: Target<'a>,
    ) -> Self {
        assert_eq!(a.columns(), k, "[M, K] · [K, N]");
        assert_eq!(c.len(), a.rows() * n, "a product of [{}, {n}]", a.rows());
        assert!(bias.is_none_or(|bias| bias.len() == n), "one bias for each column");
        Self { a, panels, n, bias, bounds, c }
    }
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [m, k] = [self.a.rows(), self.a.columns()];
        let strips = self.n.div_ceil(columns::<S>());
        let work = (self.n * (m * k + ACCESS * (m + k))) as u64;
        let [row_parts, strip_parts] = split::<S>(m, self.n, wanted_tasks(work));
        let row_parts: Vec<_> = balanced(m, m.div_ceil(row_parts)).collect();
        let strip_parts: Vec<_> = balanced(strips, strips.div_ceil(strip_parts)).collect();
        for_each(row_parts.len() * strip_parts.len(), work, |i| {
            let (rows, strips) = (&row_parts[i / strip_parts.len()], &strip_parts[i % strip_parts.len()]);
            s.vectorize(Part { product: &self, rows: rows.clone(), strips: strips.clone() });
        });
    }
}

/// Into how many parts rows and strips are split, so that there are about as many tasks as wanted and their operands together
/// are small: each part of the strips reads all of `A`, and each part of the rows all of `B`.
fn split<S: Simd>(m: usize, n: usize, wanted: usize) -> [usize; 2] {
    let (tiles, strips) = (m.div_ceil(max_rows::<S>()).max(1), n.div_ceil(columns::<S>()).max(1));
    let wanted = wanted.min(tiles * strips);
    let parts = (1..=strips.min(wanted)).map(|strip_parts| [wanted.div_ceil(strip_parts), strip_parts]);
    let fitting = parts.filter(|&[row_parts, _]| row_parts <= tiles);
    fitting.min_by_key(|&[row_parts, strip_parts]| strip_parts * m + row_parts * n).unwrap_or([1, 1])
}

/// Some rows of the product by some strips of its columns.
struct Part<'a> {
    product: &'a Product<'a>,
    rows: Range<usize>,
    strips: Range<usize>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Product { a, n, .. } = self.product;
        let (nr, k) = (columns::<S>(), a.columns());
        let most_steps = block_steps(k);
        let single = self.rows.len() <= max_rows::<S>();
        // A single tile reads no panel twice.
        let at_once = if single { usize::MAX } else { (PANEL_BYTES / (4 * nr * most_steps)).max(1) };
        // Whole tiles whose operands, and results if blocks are added to them, stay in the second-level cache.
        let row_bytes = 4 * most_steps.max(if k > most_steps { *n } else { 0 });
        let block_tiles = (BLOCK_BYTES / (row_bytes * max_rows::<S>())).max(1);
        // Where rows are longer than a block, or steps longer than a tile, the part of a tile is gathered, or of several if transposed.
        let gathers = a.column_step() != 1 || compete(k) && !single;
        let tile = max_rows::<S>() * most_steps;
        let most_gathered = if a.column_step() == 1 { 1 } else { (GATHERED_VALUES / tile).max(1) };
        let gathered_tiles = most_gathered.min(self.rows.len().div_ceil(max_rows::<S>()));
        with_scratch(if gathers { gathered_tiles * tile } else { 0 }, |gathered| {
            for tiles in balanced(self.rows.len().div_ceil(max_rows::<S>()), block_tiles) {
                // A reduction of no steps is one empty block, which still writes the bias.
                for first in (0..k.max(1)).step_by(most_steps) {
                    for strips in balanced(self.strips.len(), at_once) {
                        let strips = self.strips.start + strips.start..self.strips.start + strips.end;
                        let steps = first..k.min(first + most_steps);
                        self.block(s, Block { tiles: tiles.clone(), strips, steps }, gathered);
                    }
                }
            }
        });
    }
}

/// Some tiles of a task's rows by some strips, over a block of the reduction.
struct Block {
    tiles: Range<usize>,
    strips: Range<usize>,
    steps: Range<usize>,
}

impl Part<'_> {
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, block: Block, gathered: &mut [f32]) {
        let Product { a, panels, n, bias, bounds, c } = self.product;
        let Block { tiles, strips, steps } = block;
        let (nr, k) = (columns::<S>(), a.columns());
        let last = steps.end == k;
        let single = self.rows.len() <= max_rows::<S>();
        let prefetch = if single && 4 * panels.len() > LARGE { FAR } else { NEAR };
        let far = steps.start == 0 && 4 * a.rows() * n > FAR_RESULT;
        let transposed = a.column_step() != 1;
        let size = steps.len() * nr;
        let first_panel = steps.start * n.next_multiple_of(nr) + strips.start * size;
        let all_tiles = balanced(self.rows.len(), max_rows::<S>());
        let mut first_gathered = 0;
        for (index, rows) in all_tiles.clone().skip(tiles.start).take(tiles.len()).enumerate() {
            let row = self.rows.start + rows.start;
            let count = rows.len();
            let mut starts = [std::ptr::null(); MOST_ROWS];
            for i in 0..count {
                starts[i] = a.pointer(row + i, steps.start);
            }
            // If rows aren't cut into blocks, the next tile's rows follow this tile's in memory.
            let mut ahead = a.pointer(row + count, steps.start);
            if !gathered.is_empty() {
                if transposed {
                    let room = gathered.len() / (max_rows::<S>() * steps.len()).max(1);
                    let place = |rows: &Range<usize>, first: usize| (rows.start - first) * steps.len();
                    if index % room == 0 {
                        first_gathered = rows.start;
                        let some = all_tiles.clone().skip(tiles.start + index).take(room.min(tiles.len() - index));
                        let target = gathered.as_mut_ptr();
                        let some = some.map(|rows| (rows.len(), target.wrapping_add(place(&rows, first_gathered))));
                        // SAFETY: the matrix has these steps, and the rows are adjacent in each. There is room for these tiles.
                        unsafe { gather_tiles(s, starts[0], a.column_step(), steps.len(), some) };
                    }
                    starts[0] = gathered[place(&rows, first_gathered)..].as_ptr();
                } else {
                    let target = &mut gathered[..steps.len() * count];
                    for (start, row) in starts.iter_mut().zip(target.chunks_exact_mut(steps.len())) {
                        // SAFETY: the matrix has these rows and steps.
                        row.copy_from_slice(unsafe { std::slice::from_raw_parts(*start, steps.len()) });
                        *start = row.as_ptr();
                    }
                }
                ahead = std::ptr::null();
            }
            let (left, left_step) =
                if transposed { (Left::Columns(&starts, 0), count) } else { (Left::Rows(&starts, MOST_ROWS), 1) };
            let rows: [_; MOST_ROWS] = std::array::from_fn(|i| c.pointer().wrapping_add((row + i) * n));
            let rows = &rows[..count];
            // Between strips of a tile that was gathered, what the next one gathers is prefetched.
            let gathers_next = !gathered.is_empty() && !transposed && index + 1 < tiles.len();
            // The last strip may be partial, and then is by itself.
            let whole = (*n / nr).min(strips.end).saturating_sub(strips.start);
            let at_once = if gathers_next { 1 } else { whole.max(1) };
            let mut strip = 0;
            while strip < strips.len() {
                let some = at_once.min(whole.saturating_sub(strip).max(1));
                let column = (strips.start + strip) * nr;
                let panel = first_panel + strip * size;
                // The first tiles of a block prefetch the panels of the next one, each a cache line of every step.
                let (next, ahead_step) =
                    if tiles.len() > 1 && index < nr.div_ceil(LINE) && strips.len() < n.div_ceil(nr) {
                        let next = panel + strips.len() * size + index * steps.len() * LINE;
                        (panels.as_ptr().wrapping_add(next), size)
                    } else {
                        (ahead, 0)
                    };
                let mut out = [std::ptr::null_mut(); MOST_ROWS];
                for i in 0..count {
                    out[i] = rows[i].wrapping_add(column);
                }
                let tile = Tile {
                    offsets: &[0],
                    left,
                    length: steps.len(),
                    left_step,
                    strips: some,
                    ahead: next,
                    ahead_step,
                    panel: &panels[panel..][..some * size],
                    prefetch,
                    out: &out[..count],
                    far,
                    columns: nr.min(n - column),
                    accumulate: steps.start > 0,
                    bias: bias.filter(|_| last).map(|bias| &bias[column..]),
                    bounds: if last { *bounds } else { Bounds::None },
                };
                // SAFETY: the left rows have these steps, and so have the panels; the rows and the strips of `C` belong to
                // this task alone.
                unsafe { tile.run(s) };
                if gathers_next {
                    for i in count * strip / strips.len()..count * (strip + 1) / strips.len() {
                        for line in (0..steps.len()).step_by(LINE) {
                            s.prefetch(a.pointer(row + count + i, steps.start + line));
                        }
                    }
                }
                strip += some;
            }
            if last {
                // SAFETY: the rows and the strips of `C` belong to this task alone.
                unsafe { c.complete(S::TIER, rows, strips.start * nr..(strips.end * nr).min(*n)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::testing::{bits, pools, trials, values};

    /// Whole numbers so small that every sum is exact: any order gives the same bits.
    fn whole(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7 + seed * 3 + i / 5) % 9) as f32 - 4.0).collect()
    }

    proptest! {
        #![proptest_config(trials(150, 3))]
        #[test]
        fn is_the_product(
            m in 0..40_usize,
            // Short, of two chains, gathered in blocks, in blocks that are read in place.
            k in prop_oneof![0..20_usize, 60..130_usize, 1020..1042_usize, 1100..1110_usize],
            n in 0..70_usize,
            transposed in any::<[bool; 2]>(),
        ) {
            let k = if cfg!(miri) { k % 9 } else { k };
            let (va, vb, bias) = (whole(m * k, 1), whole(k * n, 2), whole(n, 3));
            let a = if transposed[0] { Matrix::new(&va, [k, m]).transposed() } else { Matrix::new(&va, [m, k]) };
            let b = if transposed[1] { Matrix::new(&vb, [n, k]).transposed() } else { Matrix::new(&vb, [k, n]) };
            let mut want = vec![0.0; m * n];
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let a = |l: usize| va[if transposed[0] { l * m + i } else { i * k + l }];
                let b = |l: usize| vb[if transposed[1] { j * k + l } else { l * n + j }];
                want[i * n + j] = (0..k).map(|l| a(l) * b(l)).sum();
            }
            for tier in Tier::available() {
                let mut got = vec![f32::NAN; m * n];
                gemm_on(tier, a, b, &mut got);
                prop_assert_eq!(&got, &want, "{} {}×{}×{}", tier, m, k, n);
                let mut panels = Panels::on(tier, b);
                panels.update(b);
                panels.multiply(a, Some(&bias), Bounds::None, Target::new(&mut got));
                let biased = (0..m * n).map(|i| want[i] + bias[i % n]);
                prop_assert!(got.iter().copied().eq(biased), "{} {}×{}×{} with a bias", tier, m, k, n);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn neither_other_rows_nor_threads_change_a_bit() {
        // In blocks, gathered, and in one block; cut by strips, and by rows.
        for [m, k, n] in [[130, 1200, 90], [130, 1024, 90], [300, 400, 20]] {
            let (va, vb, bias) = (values(m * k, 1), values(k * n, 2), values(n, 3));
            let vb = Matrix::new(&vb, [k, n]);
            for (tier, transposed) in Tier::available().flat_map(|tier| [(tier, false), (tier, true)]) {
                let a = if transposed { Matrix::new(&va, [k, m]).transposed() } else { Matrix::new(&va, [m, k]) };
                let panels = Panels::on(tier, vb);
                let product = |rows: Range<usize>| {
                    let mut c = vec![f32::NAN; rows.len() * n];
                    panels.multiply(a.part(rows, 0..k), Some(&bias), Bounds::None, Target::new(&mut c));
                    bits(&c)
                };
                let whole = product(0..m);
                assert!(pools().all(|pool| pool.install(|| product(0..m)) == whole), "{tier}");
                for rows in [0..1, 5..12, 60..130] {
                    assert!(product(rows.clone()) == whole[rows.start * n..rows.end * n], "{tier} {rows:?}");
                }
            }
        }
    }
}
