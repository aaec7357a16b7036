//! Up to eight neighbouring pixels of a row, a vector of channels at a time.

use std::ops::Range;

use super::runs::{LONGEST, Run};
use crate::kernels::bounds::Bounds;
use crate::kernels::conv::sweep::Sweep;
use tensor::simd::Simd;

/// Columns of a tile, for which kernels exist. Eight, the weights of a run and a source vector fill the registers of AVX2; pictures
/// of 224×224 end in rows of seven.
const COLUMNS: [usize; 5] = [8, 7, 4, 2, 1];

/// The columns of a row, tile by tile.
fn widths(columns: usize) -> impl Iterator<Item = Range<usize>> {
    let most = if columns.is_multiple_of(7) { 7 } else { 8 };
    let mut at = 0;
    std::iter::from_fn(move || {
        let width = COLUMNS.into_iter().find(|&width| width <= most && width <= columns - at)?;
        at += width;
        Some(at - width..at)
    })
}

/// Columns of a sweep, the same ones in each of its rows, and what they read.
#[derive(Debug)]
pub(super) struct Tile {
    /// The first target column of the sweep.
    pub(super) x: usize,
    columns: usize,
    /// Whether all that it reads lies between the picture's left and right edges.
    inside: bool,
    /// One for each run.
    pub(super) reads: Vec<Read>,
}

/// What a tile reads through a run.
#[derive(Debug)]
pub(super) struct Read {
    /// From the source's row `y·step` to the first pixel, in values.
    at: isize,
    /// Bit `j`: whether the `j`th source column that is read lies inside the picture.
    mask: u32,
    taps: usize,
    /// Where the weights of each tap start.
    weights: [usize; LONGEST],
}

/// The tiles of a sweep over a source of `width` columns.
pub(super) fn tiles(sweep: &Sweep, runs: &[Run], width: usize, channels: usize) -> Vec<Tile> {
    let step = sweep.step[1];
    let read = |columns: &Range<usize>, run: &Run| {
        let first = (columns.start * step).cast_signed() + run.offset[1];
        // A run reads all columns from its first to its last; a single tap only those of its targets.
        let [count, apart] =
            if run.taps == 1 && step > 2 { [columns.len(), step] } else { [(columns.len() - 1) * step + run.taps, 1] };
        let inside = |j: usize| (0..width.cast_signed()).contains(&(first + (j * apart).cast_signed()));
        let mask = (0..count).filter(|&j| inside(j)).map(|j| 1 << j).sum::<u32>();
        let at = (run.offset[0] * width.cast_signed() + first) * channels.cast_signed();
        let all = mask.count_ones() as usize == count;
        (all, Read { at, mask, taps: run.taps, weights: run.kernel.map(|tap| tap * channels) })
    };
    widths(sweep.count[1])
        .map(|columns| {
            let (inside, reads): (Vec<_>, Vec<_>) = runs.iter().map(|run| read(&columns, run)).unzip();
            Tile { x: columns.start, columns: columns.len(), inside: inside.iter().all(|&inside| inside), reads }
        })
        .collect()
}

/// The operands of a tile in one row.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a> {
    pub(super) channels: usize,
    /// The reads whose rows lie inside the picture.
    pub(super) reads: &'a [Read],
    /// The source's row `y·step`, which may lie outside the picture.
    pub(super) source: *const f32,
    /// The distance between the source pixels of neighbouring targets, in columns.
    pub(super) step: usize,
    pub(super) weights: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) bounds: Bounds,
    /// The first target pixel.
    pub(super) target: *mut f32,
    /// The distance between target pixels, in values.
    pub(super) spacing: usize,
}

impl Tile {
    /// Computes all channels of the tile's pixels.
    ///
    /// # Safety
    /// The source row of each of `reads` has all columns that its mask names; weights and bias have `channels` values for
    /// each tap that is read; the target pixels belong to the caller alone.
    #[inline(always)]
    pub(super) unsafe fn convolve<S: Simd>(&self, s: S, of: Operands<'_>) {
        // SAFETY: the caller guarantees it.
        unsafe { if of.step == 2 { self.stepping::<S, 2>(s, of) } else { self.stepping::<S, 1>(s, of) } }
    }

    /// # Safety
    /// As for `convolve`; `STEP` is the step, or 1 if that is above 2.
    #[inline(always)]
    unsafe fn stepping<S: Simd, const STEP: usize>(&self, s: S, of: Operands<'_>) {
        // SAFETY: the caller guarantees it.
        unsafe {
            match (self.columns, self.inside) {
                (1, _) => of.tile::<S, STEP, 1, false>(s),
                (2, _) => of.tile::<S, STEP, 2, false>(s),
                (4, _) => of.tile::<S, STEP, 4, false>(s),
                (7, false) => of.tile::<S, STEP, 7, false>(s),
                (7, true) => of.tile::<S, STEP, 7, true>(s),
                (8, false) => of.tile::<S, STEP, 8, false>(s),
                (8, true) => of.tile::<S, STEP, 8, true>(s),
                (columns, _) => unreachable!("a tile of {columns} columns"),
            }
        }
    }
}

impl Operands<'_> {
    /// # Safety
    /// As for [`Tile::convolve`], of a tile of `C` columns; if `INSIDE`, the masks name all columns.
    #[inline(always)]
    unsafe fn tile<S: Simd, const STEP: usize, const C: usize, const INSIDE: bool>(&self, s: S) {
        debug_assert!(self.channels >= S::LANES);
        // The last vector ends with the channels: it may compute some again.
        for channel in (0..self.channels).step_by(S::LANES) {
            let channel = channel.min(self.channels - S::LANES);
            // SAFETY: a vector of channels begins there; the caller guarantees the rest.
            unsafe { self.vector::<S, STEP, C, INSIDE>(s, channel) };
        }
    }

    /// # Safety
    /// As for `tile`, and there is a vector of channels from `channel` on.
    #[inline(always)]
    unsafe fn vector<S: Simd, const STEP: usize, const C: usize, const INSIDE: bool>(&self, s: S, channel: usize) {
        // SAFETY: the caller guarantees that what the masks name is there.
        unsafe {
            let load = |p: *const f32| s.load(p);
            let mut sum = [self.bias.map_or(s.zero(), |bias| load(bias.as_ptr().wrapping_add(channel))); C];
            let weights = self.weights.as_ptr().wrapping_add(channel);
            for read in self.reads {
                let mut p = self.source.wrapping_offset(read.at).wrapping_add(channel);
                // A run of `K` taps whose targets are `step` columns apart. The list of columns is written out, since a
                // loop that the compiler doesn't unroll would keep the sums in memory.
                macro_rules! run {
                    ($K:literal, $step:expr, $apart:expr) => {
                        run!($K, $step, $apart; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17)
                    };
                    ($K:literal, $step:expr, $apart:expr; $($j:literal)*) => {{
                        let mut w = [s.zero(); $K];
                        for t in 0..$K {
                            w[t] = load(weights.wrapping_add(read.weights[t]));
                        }
                        $(if const { $j < (C - 1) * $step + $K } {
                            if INSIDE || read.mask & 1 << $j != 0 {
                                let value = load(p);
                                for t in 0..$K {
                                    if $j >= t && ($j - t) % $step == 0 && ($j - t) / $step < C {
                                        let c = ($j - t) / $step;
                                        sum[c] = s.fma(value, w[t], sum[c]);
                                    }
                                }
                            }
                            p = p.wrapping_add($apart);
                        })*
                    }};
                }
                match read.taps {
                    4 => run!(4, STEP, self.channels),
                    3 => run!(3, STEP, self.channels),
                    2 => run!(2, STEP, self.channels),
                    _ => run!(1, STEP, if STEP == 1 { self.step * self.channels } else { self.channels }),
                }
            }
            // Here the pixels are complete.
            for c in 0..C {
                let value = self.bounds.apply(s, sum[c]);
                let p = self.target.wrapping_add(c * self.spacing + channel);
                s.store(p, value);
            }
        }
    }
}
