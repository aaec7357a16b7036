//! Matrix products.
//!
//! `C [M, N] = A [M, K] · B [K, N]` in the manner of Goto and van de Geijn (*Anatomy of High-Performance Matrix
//! Multiplication*, 2008), with less packing than usual:
//!
//! - The reduction is cut into blocks of [`KC`] steps, the same whatever the other dimensions: so a row of `C` has the
//!   same bits whichever rows stand beside it, and from one block to the next `C` itself carries the sum.
//! - Of each block, `B` is packed into strips `[KC, NR]`; a strip is 16 KiB (AVX2), half a first-level cache.
//! - `A` isn't packed. The micro-kernel broadcasts its values and may take them from anywhere, so plain and transposed
//!   operands are read in place. Rows come in blocks of [`MC`], whose part of `A` stays in the second-level cache while
//!   one strip after the other passes over it.
//! - With few rows, packing `B` would cost more than it saves: then whole strips of a row-major `B` are read in place.
//!
//! Tasks are blocks of rows by ranges of strips.

use super::pack::{Matrix, pack_panel};
use super::parallel::{Shared, for_each, wanted_tasks};
use super::scratch::with_scratch;
use super::tile::{Left, MOST_ROWS, Start, Tile, balanced, columns, max_rows};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on, tier};

/// Steps of the reduction that are done at a time.
const KC: usize = 256;

/// Rows that are done at a time: with `KC` steps, 192 KiB of `A`.
const MC: usize = 192;

/// Rows up to which packing `B` doesn't pay.
const FEW_ROWS: usize = 12;

/// What a product's sum starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Begin<'a> {
    /// `C = A · B`.
    Zero,
    /// `C = C + A · B`.
    Result,
    /// `C = A · B + bias`, one value a column.
    Bias(&'a [f32]),
}

/// `C = begin + A · B`, then `max(0, C)` if `relu`; `C` is `[M, N]`, row-major.
///
/// # Panics
/// If the shapes don't fit together.
pub fn gemm(a: Matrix<'_>, b: Matrix<'_>, begin: Begin<'_>, relu: bool, c: &mut [f32]) {
    gemm_on(tier(), a, b, begin, relu, c);
}

fn gemm_on(tier: Tier, a: Matrix<'_>, b: Matrix<'_>, begin: Begin<'_>, relu: bool, c: &mut [f32]) {
    assert_eq!(a.columns, b.rows, "[M, K] · [K, N]");
    assert_eq!(c.len(), a.rows * b.columns, "a product of [{}, {}]", a.rows, b.columns);
    if let Begin::Bias(bias) = begin {
        assert_eq!(bias.len(), b.columns, "one bias a column");
    }
    dispatch_on(tier, Product { a, b, begin, relu, c: Shared::new(c) });
}

struct Product<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    begin: Begin<'a>,
    relu: bool,
    c: Shared,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let nr = columns::<S>();
        let [m, k, n] = [self.a.rows, self.a.columns, self.b.columns];
        let strips = n.div_ceil(nr);
        let work = (m * n * k) as u64;
        let wanted = wanted_tasks(work);
        let row_blocks: Vec<_> = balanced(m, MC.min(m.div_ceil(wanted)).max(max_rows::<S>())).collect();
        let strip_parts: Vec<_> =
            balanced(strips, strips.div_ceil(wanted.div_ceil(row_blocks.len().max(1)).min(strips.max(1)))).collect();
        let in_place = m <= FEW_ROWS && self.b.column_step == 1;
        // Strips before the first that is packed.
        let unpacked = if in_place { n / nr } else { 0 };
        with_scratch((strips - unpacked) * KC.min(k) * nr, |packed| {
            // No steps at all are one empty block, which still writes the start.
            for first in (0..k.max(1)).step_by(KC) {
                let steps = first..k.min(first + KC);
                let size = steps.len() * nr;
                let panels = Shared::new(packed);
                for_each(strips - unpacked, (steps.len() * n) as u64, |i| {
                    let column = (unpacked + i) * nr;
                    // SAFETY: each task packs one panel, and the panels lie side by side in `packed`.
                    let panel = unsafe { std::slice::from_raw_parts_mut(panels.pointer().add(i * size), size) };
                    let width = nr.min(n - column);
                    pack_panel(self.b.part(steps.clone(), column..column + width), nr, panel);
                });
                let packed = &*packed;
                for_each(row_blocks.len() * strip_parts.len(), work / k.div_ceil(KC).max(1) as u64, |i| {
                    s.vectorize(Block {
                        product: &self,
                        rows: row_blocks[i / strip_parts.len()].clone(),
                        strips: strip_parts[i % strip_parts.len()].clone(),
                        steps: steps.clone(),
                        unpacked,
                        packed,
                    });
                });
            }
        });
    }
}

/// Some rows and strips of one block of the reduction.
struct Block<'a> {
    product: &'a Product<'a>,
    rows: std::ops::Range<usize>,
    strips: std::ops::Range<usize>,
    steps: std::ops::Range<usize>,
    unpacked: usize,
    packed: &'a [f32],
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Product { a, b, begin, relu, c } = self.product;
        let nr = columns::<S>();
        let n = b.columns;
        for strip in self.strips {
            let column = strip * nr;
            let (panel, panel_step) = match strip.checked_sub(self.unpacked) {
                Some(i) => (self.packed[i * self.steps.len() * nr..].as_ptr(), nr),
                None => (b.values.as_ptr().wrapping_add(self.steps.start * b.row_step + column), b.row_step),
            };
            let start = match *begin {
                _ if self.steps.start > 0 => Start::Result,
                Begin::Zero => Start::Zero,
                Begin::Result => Start::Result,
                Begin::Bias(bias) => Start::Bias(bias[column..].as_ptr()),
            };
            for part in balanced(self.rows.len(), max_rows::<S>()) {
                let mut left = [std::ptr::null(); MOST_ROWS];
                let mut out = [std::ptr::null_mut(); MOST_ROWS];
                for (i, row) in part.clone().map(|i| self.rows.start + i).enumerate() {
                    let at = row * a.row_step + self.steps.start * a.column_step;
                    left[i] = a.values.as_ptr().wrapping_add(at);
                    out[i] = c.pointer().wrapping_add(row * n + column);
                }
                let tile = Tile {
                    runs: 1,
                    offsets: &0,
                    left: Left::Rows(left.as_ptr(), MOST_ROWS),
                    length: self.steps.len(),
                    left_step: a.column_step,
                    ahead: std::ptr::null(),
                    panel,
                    panel_step,
                    out: out.as_ptr(),
                    columns: nr.min(n - column),
                    start,
                    relu: *relu && self.steps.end == b.rows,
                };
                // SAFETY: `Matrix` has checked that rows and steps lie in its values; a panel holds `NR` values a step,
                // and so does a whole strip of a row-major `B`; rows and strip of `C` are this task's own.
                unsafe { tile.run(s, part.len()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whole numbers so small that every sum is exact: any order gives the same bits.
    fn whole(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7 + seed * 3 + i / 5) % 9) as f32 - 4.0).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 150 }, failure_persistence: None, ..Default::default() })]
        #[test]
        fn is_the_product(
            m in 0..40_usize,
            k in prop_oneof![0..20_usize, 250..520_usize],
            n in 0..70_usize,
            transposed in any::<[bool; 2]>(),
            begin in 0..3_usize,
            relu: bool,
        ) {
            let k = if cfg!(miri) { k % 9 } else { k };
            let (va, vb, bias, old) = (whole(m * k, 1), whole(k * n, 2), whole(n, 3), whole(m * n, 4));
            let a = if transposed[0] { Matrix::new(&va, [k, m]).transposed() } else { Matrix::new(&va, [m, k]) };
            let b = if transposed[1] { Matrix::new(&vb, [n, k]).transposed() } else { Matrix::new(&vb, [k, n]) };
            let begin = [Begin::Zero, Begin::Result, Begin::Bias(&bias)][begin];
            let mut want = vec![0.0; m * n];
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let start = match begin {
                    Begin::Zero => 0.0,
                    Begin::Result => old[i * n + j],
                    Begin::Bias(bias) => bias[j],
                };
                let sum = (0..k).fold(start, |sum, l| {
                    let at = |m: Matrix<'_>, r: usize, c: usize| m.values[r * m.row_step + c * m.column_step];
                    sum + at(a, i, l) * at(b, l, j)
                });
                want[i * n + j] = if relu { sum.max(0.0) } else { sum };
            }
            for tier in Tier::available() {
                let mut got = old.clone();
                gemm_on(tier, a, b, begin, relu, &mut got);
                prop_assert_eq!(&got, &want, "{} {}×{}×{}", tier, m, k, n);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn neither_other_rows_nor_threads_change_a_bit() {
        let [m, k, n] = [130, 700, 90];
        let (va, vb): (Vec<f32>, Vec<f32>) =
            ((0..m * k).map(|i| (i as f32).sin()).collect(), (0..k * n).map(|i| (i as f32).cos()).collect());
        let b = Matrix::new(&vb, [k, n]);
        let product = |rows: std::ops::Range<usize>| {
            let mut c = vec![f32::NAN; rows.len() * n];
            gemm(Matrix::new(&va[rows.start * k..rows.end * k], [rows.len(), k]), b, Begin::Zero, false, &mut c);
            c
        };
        let whole = product(0..m);
        for threads in 1..=3 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| product(0..m)) == whole);
        }
        for rows in [0..1, 5..12, 60..130] {
            assert!(product(rows.clone()) == whole[rows.start * n..rows.end * n]);
        }
    }
}
