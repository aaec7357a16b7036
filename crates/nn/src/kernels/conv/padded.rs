//! Forward convolution with few input channels, over a padded copy.
//!
//! A run of three values is too short to be worth a pointer. So the rows that a task reads are copied between margins of
//! zeros. There all output pixels of a row are alike: for each kernel row, a pixel reads one run of `Kw·Cin` values, which
//! starts `stride·Cin` values after its neighbour's. A call computes all tiles of one size in an output row. It needs neither
//! pointers nor tests, only one strip of the weights, which stays in the first-level cache.

use std::ops::Range;

use super::margins::{FEW_CHANNELS, copy_rows};
use super::weight_gradient::WeightGradient;
use crate::ConvGeometry;
use crate::kernels::bounds::Bounds;
use crate::kernels::finish::Target;
use crate::kernels::pack::{Matrix, pack_panels};
use crate::kernels::parallel::{for_each, wanted_tasks};
use crate::kernels::pass::{Call, Convolve, Facts};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::{at_once, balanced, columns, for_rows, max_rows, rank_one, rank_some};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

pub(super) const FACTS: Facts = Facts {
    name: "padded",
    // Else kernel rows aren't contiguous.
    supports: |g| g.conv.groups == 1 && g.conv.dilation[1] == 1,
    suits: |g, _| g.in_channels <= FEW_CHANNELS,
    forward: Some(|g, tier| Box::new(Padded { tier, shape: [steps(g), g.out_channels], panels: Vec::new() })),
    input_gradient: None,
    weight_gradient: Some(|g, tier, x, dy, dw| WeightGradient::new(g, true).run(tier, x, dy, dw)),
};

/// Bytes of source rows that one task copies: well within a second-level cache.
const SOURCE_BYTES: usize = 128 << 10;

/// Steps of the reduction.
fn steps(g: &ConvGeometry) -> usize {
    g.kernel[0] * g.kernel[1] * g.in_channels
}

/// The weights of a convolution in panels.
#[derive(Debug)]
struct Padded {
    tier: Tier,
    /// `[Kh · Kw · Cin, Cout]`.
    shape: [usize; 2],
    /// For each strip of `NR` output channels: a panel `[Kh · Kw · Cin, NR]`.
    panels: Vec<f32>,
}

impl Convolve for Padded {
    fn update(&mut self, w: &[f32]) {
        pack_panels(self.tier, Matrix::new(w, self.shape), self.shape[0], &mut self.panels);
    }

    fn run(&self, call: Call<'_>) {
        let Call { g, source, bias, bounds, target, .. } = call;
        let from = g.input[0] * g.input[1] * g.in_channels;
        let work = g.multiply_adds();
        let cached = (SOURCE_BYTES / (4 * g.input[1] * g.in_channels * g.conv.stride[0])).max(1);
        let shared = (g.batch * g.output[0]).div_ceil(wanted_tasks(work)).max(1);
        let chunks: Vec<_> = balanced(g.output[0], cached.min(shared)).collect();
        for_each(g.batch * chunks.len(), work, |i| {
            let image = i / chunks.len();
            dispatch_on(
                self.tier,
                Part {
                    g,
                    panels: &self.panels,
                    source: &source[image * from..][..from],
                    bias,
                    bounds,
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
    g: &'a ConvGeometry,
    panels: &'a [f32],
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    bounds: Bounds,
    target: Target<'a>,
    /// Values of the target before this image.
    first: usize,
    rows: Range<usize>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { g, panels, .. } = self;
        let nr = columns::<S>();
        let panel_size = steps(g) * nr;
        let [_, width] = g.output;
        let [down, right] = g.conv.stride;
        let line = (g.input[1] + g.conv.padding.total()[1]) * g.in_channels;
        let count = (self.rows.len() - 1) * down + (g.kernel[0] - 1) * g.conv.dilation[0] + 1;
        // Tiles of two sizes, which differ by one.
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
                        bounds: self.bounds,
                        out: out.wrapping_add(first * g.out_channels + column),
                        out_step: g.out_channels,
                        columns: nr.min(g.out_channels - column),
                    };
                    // SAFETY: a tile's pixels lie in the output row, and the padded copy is as wide and as high as
                    // their windows reach; the panel holds `NR` values for each of `runs · length` steps. The target has
                    // the length that `Call` checked; its columns from `column` on, in this row of this image, belong
                    // to this task alone and overlap no operand.
                    unsafe {
                        tiles(0, larger_tiles).run(s, smaller + 1);
                        tiles(larger_tiles * (smaller + 1), width.div_ceil(max_rows::<S>()) - larger_tiles)
                            .run(s, smaller);
                    }
                }
                // SAFETY: the row belongs to this task alone.
                unsafe { self.target.complete_pixels(S::TIER, out, width, g.out_channels) };
            }
        });
    }
}

/// Tiles side by side in an output row, by one strip of output channels.
struct Tiles {
    tiles: usize,
    /// The first pixel's window, in its first kernel row.
    source: *const f32,
    /// The distance between neighbouring pixels' windows.
    source_step: usize,
    /// Kernel rows.
    runs: usize,
    /// The distance between them in the copy.
    run_step: usize,
    /// Values that a pixel reads in each.
    length: usize,
    panel: *const f32,
    bias: Option<*const f32>,
    bounds: Bounds,
    out: *mut f32,
    /// The distance between neighbouring pixels' results.
    out_step: usize,
    /// Columns of the result, up to `NR`.
    columns: usize,
}

impl Tiles {
    /// Computes all tiles, of `pixels` pixels each.
    ///
    /// # Safety
    /// `pixels ≤ max_rows::<S>()`, and if there are any tiles, `1 ≤ pixels`. Each pixel reads `runs` runs of `length`
    /// values; the panel holds `NR` values for each; the bias, if any, and every pixel's result hold `columns` values, `NR`
    /// at most. The results overlap no operand, and no other thread accesses them.
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S, pixels: usize) {
        if self.tiles > 0 {
            for_rows!(S, pixels, R => s.vectorize(Fixed::<R>(self)));
        }
    }
}

struct Fixed<const R: usize>(Tiles);

impl<const R: usize> Kernel for Fixed<R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: constructed only by `Tiles::run`, whose caller guarantees it.
        unsafe { fixed::<S, R>(s, &self.0) }
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
    // SAFETY: the caller guarantees that every pixel's runs, the panel's steps and the results' columns lie within
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
                let mut rest = t.length;
                while const { S::BY_LANE } && rest >= at_once::<S>() {
                    rank_some(
                        s,
                        &mut sum,
                        #[inline(always)]
                        |i| left.add(i * t.source_step),
                        panel,
                    );
                    left = left.wrapping_add(at_once::<S>());
                    panel = panel.wrapping_add(at_once::<S>() * 2 * S::LANES);
                    rest -= at_once::<S>();
                }
                for _ in 0..rest {
                    rank_one(
                        s,
                        &mut sum,
                        #[inline(always)]
                        |i| left.add(i * t.source_step),
                        panel,
                    );
                    left = left.wrapping_add(1);
                    panel = panel.wrapping_add(2 * S::LANES);
                }
            }
            for i in 0..R {
                let out = t.out.add((tile * R + i) * t.out_step);
                let value = [s.add(sum[i][0], bias[0]), s.add(sum[i][1], bias[1])];
                let value = [t.bounds.apply(s, value[0]), t.bounds.apply(s, value[1])];
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
