//! Forward convolution with few input channels, over a padded copy.
//!
//! A run of three values is too short to pay for a pointer of its own. So the rows that a task reads are copied between
//! margins of zeros. There every output pixel of a row is like every other: for each kernel row it reads one run of
//! `Kw·Cin` values, `stride·Cin` values after its neighbour's. A call computes all tiles of one size in an output row.
//! It needs neither pointers nor tests, only one strip of the weights, which stays in the first-level cache.

use std::ops::Range;

use crate::ConvGeometry;
use crate::kernels::pack::{Matrix, pack_panel};
use crate::kernels::parallel::{Shared, for_each, wanted_tasks};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::{balanced, columns, max_rows, panel_columns};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

/// Bytes of source rows that one task copies: well within a second-level cache.
const SOURCE_BYTES: usize = 128 << 10;

/// A convolution with its weights in panels.
#[derive(Debug)]
pub(super) struct Padded {
    tier: Tier,
    g: ConvGeometry,
    /// For each strip of `NR` output channels: a panel `[Kh · Kw · Cin, NR]`.
    panels: Vec<f32>,
}

impl Padded {
    /// # Panics
    /// With groups, or with dilation along rows.
    pub(super) fn new(g: &ConvGeometry, tier: Tier) -> Self {
        assert!(g.conv.groups == 1 && g.conv.dilation[1] == 1, "kernel rows aren't contiguous");
        Self { tier, g: *g, panels: Vec::new() }
    }

    /// Packs the weights `[Kh, Kw, Cin, Cout]`.
    pub(super) fn update(&mut self, w: &[f32]) {
        let nr = panel_columns(self.tier);
        let steps = self.steps();
        let weights = Matrix::new(w, [steps, self.g.out_channels]);
        self.panels.resize(self.g.out_channels.div_ceil(nr) * steps * nr, 0.0);
        for (strip, panel) in self.panels.chunks_exact_mut(steps * nr).enumerate() {
            let first = strip * nr;
            pack_panel(weights.part(0..steps, first..self.g.out_channels.min(first + nr)), nr, panel);
        }
    }

    /// Steps of the reduction.
    fn steps(&self) -> usize {
        self.g.kernel[0] * self.g.kernel[1] * self.g.in_channels
    }

    /// Runs over `[N, H, W, C]` of source and target.
    ///
    /// # Panics
    /// If the slices don't hold the same whole number of images, or the bias isn't one value an output channel.
    pub(super) fn run(&self, source: &[f32], bias: Option<&[f32]>, relu: bool, target: &mut [f32]) {
        let g = &self.g;
        let from = g.input[0] * g.input[1] * g.in_channels;
        let images = source.len() / from;
        assert_eq!(source.len(), images * from, "source of a convolution");
        assert_eq!(target.len(), images * g.output[0] * g.output[1] * g.out_channels, "target of a convolution");
        assert!(bias.is_none_or(|b| b.len() == g.out_channels), "one bias a channel");
        let work = g.with_batch(images).multiply_adds();
        let cached = (SOURCE_BYTES / (4 * g.input[1] * g.in_channels * g.conv.stride[0])).max(1);
        let shared = (images * g.output[0]).div_ceil(wanted_tasks(work)).max(1);
        let chunks: Vec<_> = balanced(g.output[0], cached.min(shared)).collect();
        let target = Shared::new(target);
        for_each(images * chunks.len(), work, |i| {
            let image = i / chunks.len();
            dispatch_on(
                self.tier,
                Part {
                    padded: self,
                    source: &source[image * from..][..from],
                    bias,
                    relu,
                    target,
                    first: image * g.output[0] * g.output[1] * g.out_channels,
                    rows: chunks[i % chunks.len()].clone(),
                },
            );
        });
    }
}

/// Output rows of one image.
struct Part<'a> {
    padded: &'a Padded,
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    relu: bool,
    target: Shared,
    /// Values of the target before this image.
    first: usize,
    rows: Range<usize>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Padded { g, panels, .. } = self.padded;
        let nr = columns::<S>();
        let panel_size = self.padded.steps() * nr;
        let [_, width] = g.output;
        let [down, right] = g.conv.stride;
        let line = (g.input[1] + g.conv.padding.total()[1]) * g.in_channels;
        let count = (self.rows.len() - 1) * down + (g.kernel[0] - 1) * g.conv.dilation[0] + 1;
        // Tiles of two sizes, the smaller and one more.
        let tiles = width.div_ceil(max_rows::<S>());
        let (smaller, larger_tiles) = (width / tiles, width % tiles);
        with_scratch(count * line, |copy| {
            copy_rows(g, self.source, self.rows.start * down, copy);
            for (i, row) in self.rows.clone().enumerate() {
                let source = copy[i * down * line..].as_ptr();
                let out = self.target.pointer().wrapping_add(self.first + row * width * g.out_channels);
                for (strip, panel) in panels.chunks_exact(panel_size).enumerate() {
                    let column = strip * nr;
                    let tiles = |first: usize, tiles: usize| Tiles {
                        tiles,
                        source: source.wrapping_add(first * right * g.in_channels),
                        source_step: right * g.in_channels,
                        runs: g.kernel[0],
                        run_step: g.conv.dilation[0] * line,
                        length: g.kernel[1] * g.in_channels,
                        panel: panel.as_ptr(),
                        bias: self.bias.map(|bias| bias[column..].as_ptr()),
                        relu: self.relu,
                        out: out.wrapping_add(first * g.out_channels + column),
                        out_step: g.out_channels,
                        columns: nr.min(g.out_channels - column),
                    };
                    // SAFETY: a tile's pixels lie in the output row, and the padded copy is as wide and as high as
                    // their windows reach; the panel holds `NR` values for each of `runs · length` steps. The columns
                    // from `column` on of this image's row are this task's own, and overlap no operand.
                    unsafe {
                        tiles(0, larger_tiles).run(s, smaller + 1);
                        tiles(larger_tiles * (smaller + 1), width.div_ceil(max_rows::<S>()) - larger_tiles)
                            .run(s, smaller);
                    }
                }
            }
        });
    }
}

/// Copies rows of an image between margins of zeros, from padded row `first` on, as many as `copy` holds.
#[inline(always)]
pub(super) fn copy_rows(g: &ConvGeometry, image: &[f32], first: usize, copy: &mut [f32]) {
    let values = g.input[1] * g.in_channels;
    let margin = g.conv.padding.left * g.in_channels;
    let line = values + g.conv.padding.total()[1] * g.in_channels;
    for (row, target) in copy.chunks_exact_mut(line).enumerate() {
        match (first + row).checked_sub(g.conv.padding.top).filter(|&y| y < g.input[0]) {
            Some(y) => {
                target[..margin].fill(0.0);
                target[margin..margin + values].copy_from_slice(&image[y * values..][..values]);
                target[margin + values..].fill(0.0);
            }
            None => target.fill(0.0),
        }
    }
}

/// Tiles side by side in an output row, by one strip of output channels.
struct Tiles {
    tiles: usize,
    /// What the first pixel reads through the first kernel row.
    source: *const f32,
    /// Values between neighbouring pixels' reads.
    source_step: usize,
    /// Kernel rows.
    runs: usize,
    /// Values between them in the copy.
    run_step: usize,
    /// Values that a pixel reads through each.
    length: usize,
    panel: *const f32,
    bias: Option<*const f32>,
    relu: bool,
    out: *mut f32,
    /// Values between neighbouring pixels' results.
    out_step: usize,
    /// Valid columns, up to `NR`.
    columns: usize,
}

impl Tiles {
    /// Computes all tiles, of `pixels` pixels each.
    ///
    /// # Safety
    /// `pixels ≤ max_rows::<S>()`, and if there are any tiles, `1 ≤ pixels`. Each pixel reads `runs` runs of `length`
    /// values; the panel holds `NR` values for each; the bias, if any, and every pixel's result hold `columns`, at most
    /// `NR`. The results overlap no operand, and no other thread touches them.
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S, pixels: usize) {
        macro_rules! dispatch {
            ($($pixels:literal)*) => {
                match pixels {
                    $($pixels => s.vectorize(Fixed::<$pixels>(self)),)*
                    _ => unreachable!("a tile of {pixels} pixels"),
                }
            };
        }
        if self.tiles > 0 {
            dispatch!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        }
    }
}

struct Fixed<const R: usize>(Tiles);

impl<const R: usize> Kernel for Fixed<R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // A constant condition: no code arises for tiles that a tier's registers can't hold.
        if const { R <= max_rows::<S>() } {
            // SAFETY: `Tiles::run` hands its caller's promise on.
            unsafe { fixed::<S, R>(s, &self.0) }
        } else {
            unreachable!("a tile of {R} pixels on {}", S::TIER)
        }
    }
}

/// The tiles for `R` pixels.
///
/// # Safety
/// As for [`Tiles::run`].
#[inline(always)]
unsafe fn fixed<S: Simd, const R: usize>(s: S, t: &Tiles) {
    let lanes = [t.columns.min(S::LANES), t.columns.saturating_sub(S::LANES)];
    let full = t.columns == 2 * S::LANES;
    let floor = s.splat(if t.relu { 0.0 } else { f32::NEG_INFINITY });
    // SAFETY: the caller vouches that every pixel's runs, the panel's steps and the results' columns lie within
    // allocations, and that results overlap no operand.
    unsafe {
        let mut bias = [s.zero(); 2];
        if let Some(values) = t.bias {
            bias[0] = s.load_first(values, lanes[0]);
            bias[1] = s.load_first(values.wrapping_add(S::LANES), lanes[1]);
        }
        for tile in 0..t.tiles {
            let mut sum = [[s.zero(); 2]; R];
            let mut panel = t.panel;
            for run in 0..t.runs {
                let mut left = t.source.add(tile * R * t.source_step + run * t.run_step);
                for _ in 0..t.length {
                    let right = [s.load(panel), s.load(panel.add(S::LANES))];
                    for i in 0..R {
                        let a = s.splat(*left.add(i * t.source_step));
                        sum[i][0] = s.fma(a, right[0], sum[i][0]);
                        sum[i][1] = s.fma(a, right[1], sum[i][1]);
                    }
                    left = left.wrapping_add(1);
                    panel = panel.wrapping_add(2 * S::LANES);
                }
            }
            for i in 0..R {
                let out = t.out.add((tile * R + i) * t.out_step);
                let value = [s.max(floor, s.add(sum[i][0], bias[0])), s.max(floor, s.add(sum[i][1], bias[1]))];
                if full {
                    s.store(out, value[0]);
                    s.store(out.add(S::LANES), value[1]);
                } else {
                    s.store_first(out, value[0], lanes[0]);
                    s.store_first(out.wrapping_add(S::LANES), value[1], lanes[1]);
                }
            }
        }
    }
}
