//! Matrix products.
//!
//! `C [M, N] = A [M, K] · B [K, N] + bias` in the manner of Goto and van de Geijn (*Anatomy of High-Performance Matrix
//! Multiplication*, 2008), with less packing than usual:
//!
//! - `B` is packed into panels `[K, NR]`, once for any number of products.
//! - `A` isn't packed: the micro-kernel broadcasts its values, and reads them in place. Only of a transposed `A` is a tile's
//!   part gathered.
//! - The reduction is cut into blocks of [`STEPS`]. The blocks of some panels stay in the second-level cache while one tile
//!   of rows after the other passes over them, and the tile's part of `A` stays in the first-level cache.
//! - With a single tile of rows no panel is read twice: each is read from end to end, at the memory's speed.
//!
//! Each element is a sum of chains of 64 steps in the order of the reduction, and the bias comes last: neither the other
//! rows nor the blocks show in its bits.
//!
//! Tasks are ranges of panels by blocks of rows.

use std::ops::Range;

use super::pack::{Matrix, gather, pack, pack_panels, panels_len};
use super::parallel::{ACCESS, Disjoint, for_each, wanted_tasks};
use super::scratch::with_scratch;
use super::tile::{CHAIN, Left, MOST_ROWS, NEAR, Tile, balanced, columns, max_rows};
use tensor::simd::{Kernel, LINE, Simd, Tier, dispatch_on, tier};

/// Steps of a block of the reduction: 16 KiB of a panel (AVX2).
const STEPS: usize = 256;
const _: () = assert!(STEPS.is_multiple_of(CHAIN), "a chain doesn't cross blocks");

/// Bytes of panels that stay in the second-level cache.
const PANEL_BYTES: usize = 192 << 10;

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

    fn on(tier: Tier, b: Matrix<'_>) -> Self {
        let mut panels = Self { tier, shape: [b.rows(), b.columns()], values: Vec::new() };
        panels.update(b);
        panels
    }

    /// Packs another matrix of the same shape in the same memory.
    ///
    /// # Panics
    /// If it has another shape.
    pub(crate) fn update(&mut self, b: Matrix<'_>) {
        assert_eq!([b.rows(), b.columns()], self.shape, "a matrix in the place of another");
        pack_panels(self.tier, b, &mut self.values);
    }

    /// `C = A · B + bias`: `[M, K] · [K, N] + [N]` → `[M, N]`, row-major.
    ///
    /// # Panics
    /// If the shapes don't fit together.
    pub(crate) fn multiply(&self, a: Matrix<'_>, bias: Option<&[f32]>, c: &mut [f32]) {
        dispatch_on(self.tier, Product::new(a, &self.values, self.shape, bias, c));
    }
}

/// `C = A · B`: `[M, K] · [K, N]` → `[M, N]`, row-major.
///
/// # Panics
/// If the shapes don't fit together.
pub fn gemm(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32]) {
    gemm_on(tier(), a, b, c);
}

fn gemm_on(tier: Tier, a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32]) {
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
            pack(s, self.b, panels);
            Product::new(self.a, panels, shape, None, self.c).run(s);
        });
    }
}

struct Product<'a> {
    a: Matrix<'a>,
    panels: &'a [f32],
    /// Columns of `B` and of `C`.
    n: usize,
    bias: Option<&'a [f32]>,
    c: Disjoint<'a>,
}

impl<'a> Product<'a> {
    /// # Panics
    /// If the shapes don't fit together.
    fn new(a: Matrix<'a>, panels: &'a [f32], [k, n]: [usize; 2], bias: Option<&'a [f32]>, c: &'a mut [f32]) -> Self {
        assert_eq!(a.columns(), k, "[M, K] · [K, N]");
        assert_eq!(c.len(), a.rows() * n, "a product of [{}, {n}]", a.rows());
        assert!(bias.is_none_or(|bias| bias.len() == n), "one bias for each column");
        Self { a, panels, n, bias, c: Disjoint::new(c) }
    }
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [m, k] = [self.a.rows(), self.a.columns()];
        let strips = self.n.div_ceil(columns::<S>());
        let work = (self.n * (m * k + ACCESS * (m + k))) as u64;
        let wanted = wanted_tasks(work);
        let strip_parts: Vec<_> = balanced(strips, strips.div_ceil(wanted)).collect();
        let row_parts = wanted.div_ceil(strip_parts.len().max(1));
        let row_parts: Vec<_> = balanced(m, m.div_ceil(row_parts).max(max_rows::<S>())).collect();
        for_each(row_parts.len() * strip_parts.len(), work, |i| {
            let (rows, strips) = (&row_parts[i / strip_parts.len()], &strip_parts[i % strip_parts.len()]);
            s.vectorize(Part { product: &self, rows: rows.clone(), strips: strips.clone() });
        });
    }
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
        let Product { a, panels, n, bias, c } = self.product;
        let (nr, k) = (columns::<S>(), a.columns());
        let most_steps = if self.rows.len() <= max_rows::<S>() { k } else { k.min(STEPS) }.max(1);
        let at_once = (PANEL_BYTES / (4 * nr * most_steps)).max(1);
        let transposed = a.column_step() != 1;
        let prefetch = if self.rows.len() <= max_rows::<S>() && 4 * panels.len() > LARGE { FAR } else { NEAR };
        with_scratch(if transposed { max_rows::<S>() * most_steps } else { 0 }, |gathered| {
            // A reduction of no steps is one empty block, which still writes the bias.
            for first in (0..k.max(1)).step_by(most_steps) {
                let steps = first..k.min(first + most_steps);
                for strips in balanced(self.strips.len(), at_once) {
                    let chunk = self.strips.start + strips.start..self.strips.start + strips.end;
                    let tiles = self.rows.len().div_ceil(max_rows::<S>());
                    for (index, rows) in balanced(self.rows.len(), max_rows::<S>()).enumerate() {
                        let row = self.rows.start + rows.start;
                        let mut starts = [std::ptr::null(); MOST_ROWS];
                        for i in 0..rows.len() {
                            starts[i] = a.pointer(row + i, first);
                        }
                        let (mut left, mut left_step) = (Left::Rows(&starts, MOST_ROWS), 1);
                        if transposed {
                            // Steps as far apart as rows are long compete for a few sets of the first-level cache.
                            let target = &mut gathered[..steps.len() * rows.len()];
                            // SAFETY: the matrix has these steps, and the rows are adjacent in each.
                            unsafe { gather(s, starts[0], a.column_step(), rows.len(), target) };
                            starts[0] = target.as_ptr();
                            (left, left_step) = (Left::Columns(&starts, 0), rows.len());
                        }
                        let mut out = [std::ptr::null_mut(); MOST_ROWS];
                        for i in 0..rows.len() {
                            out[i] = c.pointer().wrapping_add((row + i) * n + chunk.start * nr);
                        }
                        for strip in chunk.clone() {
                            let column = strip * nr;
                            // The first tiles of a chunk prefetch the next one, each a cache line of every step.
                            let mut ahead = std::ptr::null();
                            if tiles > 1 && index < nr.div_ceil(LINE) {
                                let next = match strip + chunk.len() {
                                    next if next < self.strips.end => next * k + first,
                                    _ => (self.strips.start + strip - chunk.start) * k + steps.end,
                                };
                                ahead = panels.as_ptr().wrapping_add(next * nr + index * steps.len() * LINE);
                            }
                            let tile = Tile {
                                offsets: &[0],
                                left,
                                length: steps.len(),
                                left_step,
                                ahead,
                                panel: &panels[(strip * k + first) * nr..][..steps.len() * nr],
                                prefetch,
                                out: &out[..rows.len()],
                                columns: nr.min(n - column),
                                accumulate: first > 0,
                                bias: bias.filter(|_| steps.end == k).map(|bias| &bias[column..]),
                                relu: false,
                            };
                            // SAFETY: the left rows have these steps, and so has the panel; the rows and the strip of `C`
                            // belong to this task alone.
                            unsafe { tile.run(s) };
                            out = out.map(|out| out.wrapping_add(nr));
                        }
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::testing::{bits, pools, values};

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
                panels.multiply(a, Some(&bias), &mut got);
                let biased = (0..m * n).map(|i| want[i] + bias[i % n]);
                prop_assert!(got.iter().copied().eq(biased), "{} {}×{}×{} with a bias", tier, m, k, n);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn neither_other_rows_nor_threads_change_a_bit() {
        // In blocks and in one; cut by strips, and by rows.
        for [m, k, n] in [[130, 700, 90], [300, 400, 20]] {
            let (va, vb, bias) = (values(m * k, 1), values(k * n, 2), values(n, 3));
            let vb = Matrix::new(&vb, [k, n]);
            for (tier, transposed) in Tier::available().flat_map(|tier| [(tier, false), (tier, true)]) {
                let a = if transposed { Matrix::new(&va, [k, m]).transposed() } else { Matrix::new(&va, [m, k]) };
                let panels = Panels::on(tier, vb);
                let product = |rows: Range<usize>| {
                    let mut c = vec![f32::NAN; rows.len() * n];
                    panels.multiply(a.part(rows, 0..k), Some(&bias), &mut c);
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
