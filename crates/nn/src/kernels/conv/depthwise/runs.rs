//! The taps of a sweep, in runs of neighbours.

use crate::kernels::conv::sweep::Sweep;
use crate::kernels::tile::balanced;

/// Taps of a run at most: their weights, or their sums, stay in registers.
pub(super) const LONGEST: usize = 4;

/// Taps side by side in one row of the kernel, as the source sees them: from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Target pixel `[y, x]` reads through the first tap the source pixel `[y·step + offset₀, x·step + offset₁]`, and
    /// through the others those to its right.
    pub(super) offset: [isize; 2],
    pub(super) taps: usize,
    /// Which taps of the kernel they are.
    pub(super) kernel: [usize; LONGEST],
}

/// The runs of a sweep, sorted by rows. At a stride above 2, each tap is a run: targets share no source pixels then.
pub(super) fn runs(sweep: &Sweep) -> Vec<Run> {
    let longest = if sweep.step[1] <= 2 { LONGEST } else { 1 };
    let mut taps = sweep.taps.clone();
    taps.sort_by_key(|tap| tap.offset);
    taps.chunk_by(|a, b| a.offset[0] == b.offset[0] && a.offset[1] + 1 == b.offset[1])
        .flat_map(|row| balanced(row.len(), longest).map(|part| &row[part]))
        .map(|taps| {
            let mut kernel = [0; LONGEST];
            for (kernel, tap) in kernel.iter_mut().zip(taps) {
                *kernel = tap.kernel;
            }
            Run { offset: taps[0].offset, taps: taps.len(), kernel }
        })
        .collect()
}

/// Those of the runs whose source row lies inside a picture of `height` rows, for the row `y` of the sweep.
#[inline(always)]
pub(super) fn inside(runs: &[Run], y: usize, step: usize, height: usize) -> std::ops::Range<usize> {
    let row = |run: &Run| (y * step).cast_signed() + run.offset[0];
    let start = runs.partition_point(|run| row(run) < 0);
    start..runs.partition_point(|run| row(run) < height.cast_signed())
}
