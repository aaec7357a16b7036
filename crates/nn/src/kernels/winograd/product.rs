//! The micro-kernel: one tile of a matrix product, held in registers.

use crate::kernels::tile::{at_once, balanced, columns, for_rows, max_rows, rank_one, rank_one_adjacent, rank_some};
use tensor::simd::{LINE, Simd};

/// The left operand: panels, `panel_step` values apart.
///
/// Element `(i, k)` is in row `i` and column `k` of the panels or, `TRANSPOSED`, in row `k` and column `i` of a single one.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) start: *const f32,
    pub(super) panel_step: usize,
}

/// Rows `[0, rows)` of `c (+)= a · b`, one panel wide; `b` is `[depth, panel]`, and the rows of `c` are `step` apart.
///
/// Rows are split evenly among register tiles. Each element is one chain of multiply–adds in the order of the depth, which is
/// added to the present value of `c` to `accumulate`, whatever the tile's height: so a row doesn't depend on its neighbours.
///
/// # Safety
/// The operands are readable, and `c` is writable.
#[inline(always)]
pub(super) unsafe fn multiply<S: Simd, const TRANSPOSED: bool>(
    s: S,
    rows: usize,
    depth: usize,
    a: Left,
    b: *const f32,
    c: *mut f32,
    step: usize,
    accumulate: bool,
) {
    let groups = rows.div_ceil(max_rows::<S>());
    for (group, rows) in balanced(rows, max_rows::<S>()).enumerate() {
        // SAFETY: these are rows of the operands that the caller guarantees.
        unsafe {
            let a = Left { start: a.start.add(rows.start * if TRANSPOSED { 1 } else { columns::<S>() }), ..a };
            let c = c.add(rows.start * step);
            // The panel that follows in memory is needed next: each register tile prefetches its share of it.
            let next = b.wrapping_add((depth + depth * group / groups) * columns::<S>());
            for_rows!(S, rows.len(), R => {
                register_tile::<S, R, TRANSPOSED>(s, depth, a, b, next, c, step, accumulate);
            });
        }
    }
}

/// One register tile. It prefetches from `next` on, two cache lines every few steps: many at once would wait for one another.
///
/// # Safety
/// As for `multiply`.
#[inline(always)]
unsafe fn register_tile<S: Simd, const ROWS: usize, const TRANSPOSED: bool>(
    s: S,
    depth: usize,
    mut a: Left,
    mut b: *const f32,
    mut next: *const f32,
    c: *mut f32,
    step: usize,
    accumulate: bool,
) {
    const UNROLL: usize = 4;
    let width = columns::<S>();
    let (row, along) = if TRANSPOSED { (1, width) } else { (width, 1) };
    // SAFETY: every access lies within `ROWS` rows, `depth` steps and one panel, as the caller guarantees.
    unsafe {
        let mut acc = [[s.zero(); 2]; ROWS];
        let mut left = depth;
        while left > 0 {
            let run = if TRANSPOSED { left } else { left.min(width) };
            let mut x = a.start;
            for _ in 0..run / UNROLL {
                s.prefetch(next);
                s.prefetch(next.wrapping_add(LINE));
                next = next.wrapping_add(2 * LINE);
                if TRANSPOSED {
                    for k in 0..UNROLL {
                        rank_one_adjacent(s, &mut acc, x.add(k * along), b.add(k * width));
                    }
                } else {
                    const { assert!(UNROLL.is_multiple_of(at_once::<S>())) };
                    for k in (0..UNROLL).step_by(at_once::<S>()) {
                        rank_some(
                            s,
                            &mut acc,
                            #[inline(always)]
                            |i| x.add(k + i * row),
                            b.add(k * width),
                        );
                    }
                }
                x = x.add(UNROLL * along);
                b = b.add(UNROLL * width);
            }
            for _ in 0..run % UNROLL {
                rank_one(
                    s,
                    &mut acc,
                    #[inline(always)]
                    |i| x.add(i * row),
                    b,
                );
                x = x.add(along);
                b = b.add(width);
            }
            a.start = a.start.wrapping_add(a.panel_step);
            left -= run;
        }
        for i in 0..ROWS {
            let c = c.add(i * step);
            if accumulate {
                acc[i] = [s.add(s.load(c), acc[i][0]), s.add(s.load(c.add(S::LANES)), acc[i][1])];
            }
            s.store(c, acc[i][0]);
            s.store(c.add(S::LANES), acc[i][1]);
        }
    }
}
