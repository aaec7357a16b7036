//! The product of one row and a matrix that isn't packed.

use std::ops::Range;

use super::parallel::{ACCESS, Disjoint, for_each, wanted_tasks};
use super::scratch::with_scratch;
use super::tile::{CHAIN, balanced};
use tensor::simd::{Kernel, LINE, Simd, Tier, dispatch_on, tier};

/// Rows of the matrix that are added at once: the sums are read and written once for all of them.
const ROWS: usize = 8;

/// How far ahead of their use rows are prefetched, in values.
const AHEAD: usize = 256;

/// `y = x · B + bias`, `B` being `[K, N]`, row-major: bit for bit what a product with packed panels gives.
///
/// One row reads each value of `B` once, at the memory's speed. Panels would cost as much to pack as several products, and as
/// much memory as `B`.
///
/// # Panics
/// If the shapes don't fit together.
pub(crate) fn row_product(x: &[f32], b: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    row_product_on(tier(), x, b, bias, y);
}

fn row_product_on(tier: Tier, x: &[f32], b: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    assert_eq!(b.len(), x.len() * y.len(), "values of a matrix [{}, {}]", x.len(), y.len());
    assert!(bias.is_none_or(|bias| bias.len() == y.len()), "one bias for each column");
    let n = y.len();
    dispatch_on(tier, RowProduct { x, b, bias, n, y: Disjoint::new(y) });
}

#[derive(Clone, Copy)]
struct RowProduct<'a> {
    x: &'a [f32],
    b: &'a [f32],
    bias: Option<&'a [f32]>,
    n: usize,
    y: Disjoint<'a>,
}

impl Kernel for RowProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let work = (ACCESS * self.b.len()) as u64;
        let parts: Vec<_> = balanced(self.n, self.n.div_ceil(wanted_tasks(work)).max(LINE)).collect();
        for_each(parts.len(), work, |i| s.vectorize(Part { product: self, columns: parts[i].clone() }));
    }
}

/// Some of the columns.
struct Part<'a> {
    product: RowProduct<'a>,
    columns: Range<usize>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { product: RowProduct { x, b, bias, n, y }, columns } = self;
        // SAFETY: this task alone accesses these columns of the result.
        let y = unsafe { std::slice::from_raw_parts_mut(y.pointer().add(columns.start), columns.len()) };
        let bias = bias.map(|bias| &bias[columns.clone()]);
        with_scratch(y.len(), |sum| {
            // A reduction of no steps is one empty chain.
            for chain in (0..x.len().max(1)).step_by(CHAIN) {
                sum.fill(0.0);
                for first in (chain..x.len().min(chain + CHAIN)).step_by(ROWS) {
                    let rows = first..x.len().min(chain + CHAIN).min(first + ROWS);
                    let row = |row: usize| (x[row], &b[row * n..][columns.clone()]);
                    let next = ROWS * n;
                    if rows.len() == ROWS {
                        s.vectorize(AddRows::<ROWS> { rows: std::array::from_fn(|i| row(first + i)), sum, next });
                    } else {
                        rows.for_each(|i| s.vectorize(AddRows { rows: [row(i)], sum, next }));
                    }
                }
                if chain == 0 { y.copy_from_slice(sum) } else { y.iter_mut().zip(&*sum).for_each(|(y, sum)| *y += sum) }
            }
        });
        if let Some(bias) = bias {
            y.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
        }
    }
}

/// Adds rows, each multiplied by its factor, one after the other.
struct AddRows<'a, const R: usize> {
    rows: [(f32, &'a [f32]); R],
    sum: &'a mut [f32],
    /// The distance to the rows that are added next.
    next: usize,
}

impl<const R: usize> Kernel for AddRows<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { rows, sum, next } = self;
        assert!(rows.iter().all(|(_, row)| row.len() == sum.len()));
        let factors = rows.map(|(factor, _)| s.splat(factor));
        for at in (0..sum.len()).step_by(S::LANES) {
            let lanes = (sum.len() - at).min(S::LANES);
            // SAFETY: the sum and the rows have that many values from there on.
            unsafe {
                let to = sum.as_mut_ptr().add(at);
                if lanes == S::LANES {
                    // After the end of a row, that of the next ones follows at once.
                    let ahead = if at + AHEAD < sum.len() { AHEAD } else { AHEAD + next - sum.len() };
                    let mut value = s.load(to);
                    for i in 0..R {
                        let from = rows[i].1.as_ptr().add(at);
                        s.prefetch(from.wrapping_add(ahead));
                        value = s.fma(factors[i], s.load(from), value);
                    }
                    s.store(to, value);
                } else {
                    let mut value = s.load_first(to, lanes);
                    for i in 0..R {
                        value = s.fma(factors[i], s.load_first(rows[i].1.as_ptr().add(at), lanes), value);
                    }
                    s.store_first(to, value, lanes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::bounds::Bounds;
    use crate::kernels::finish::Target;
    use crate::kernels::gemm::Panels;
    use crate::kernels::pack::Matrix;
    use crate::kernels::testing::{bits, pools, values};

    #[test]
    fn it_has_the_bits_of_a_product_with_panels() {
        for [k, n] in [[0, 5], [1, 1], [64, 128], [65, 127], [1200, 300], [1024, 1000], [130, 4099]] {
            let (x, b, bias) = (values(k, 1), values(k * n, 2), values(n, 3));
            for (tier, bias) in Tier::available().flat_map(|tier| [(tier, None), (tier, Some(&bias[..]))]) {
                let mut want = vec![f32::NAN; n];
                let panels = Panels::on(tier, Matrix::new(&b, [k, n]));
                panels.multiply(Matrix::new(&x, [1, k]), bias, Bounds::None, Target::new(&mut want));
                for pool in pools() {
                    let mut got = vec![f32::NAN; n];
                    pool.install(|| row_product_on(tier, &x, &b, bias, &mut got));
                    assert_eq!(bits(&got), bits(&want), "{tier} [{k}, {n}]");
                }
            }
        }
    }
}
