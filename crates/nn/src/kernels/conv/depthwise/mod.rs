//! Depthwise convolution: every channel has its own kernel, so vectors run over channels and nothing is broadcast.
//!
//! A tile of up to eight neighbouring pixels and a vector of channels stays in registers while it walks through the taps,
//! in runs of up to four neighbours in a row of the kernel: their weights stay in registers too, and each load of the source
//! serves all pixels of the tile that read it. At the left and right edge, a tile passes over the columns that lie in the
//! padding, and above and below over whole runs. So an output's sum has the same order wherever in a tile it lies. The
//! input gradient is the same walk by other taps (`Sweep`). 3×3 kernels at stride 1 slide along rows instead.

use std::ops::Range;

use self::runs::{Run, inside, runs};
use self::tile::{Operands, Tile, tiles};
use super::sliding::{self, Window};
use super::sweep::Sweep;
use crate::ConvGeometry;
use crate::kernels::bounds::Bounds;
use crate::kernels::finish::Target;
use crate::kernels::parallel::{for_each, wanted_tasks};
use crate::kernels::pass::{Call, Convolve, Facts, Pass};
use crate::kernels::tile::balanced;
use tensor::simd::{Kernel, LINE, Simd, Tier, dispatch_on};

mod runs;
mod tile;
mod weight_gradient;

pub(super) const FACTS: Facts = Facts {
    name: "depthwise",
    supports: |g| g.conv.groups == g.in_channels && g.in_channels == g.out_channels && g.in_channels >= LINE,
    suits: |_, _| true,
    forward: Some(|g, tier| Box::new(Depthwise::new(g, Pass::Forward, tier))),
    input_gradient: Some(|g, tier| Box::new(Depthwise::new(g, Pass::InputGradient, tier))),
    weight_gradient: Some(weight_gradient::weight_gradient),
};

/// The weights of a depthwise convolution as they are.
#[derive(Debug)]
struct Depthwise {
    tier: Tier,
    pass: Pass,
    /// `[Kh · Kw, C]`.
    weights: Vec<f32>,
    /// A pixel of the padding, for sliding.
    zeros: Vec<f32>,
}

impl Depthwise {
    fn new(g: &ConvGeometry, pass: Pass, tier: Tier) -> Self {
        Self { tier, pass, weights: Vec::new(), zeros: vec![0.0; g.in_channels] }
    }
}

impl Convolve for Depthwise {
    fn update(&mut self, w: &[f32]) {
        self.weights.clear();
        self.weights.extend_from_slice(w);
    }

    fn run(&self, call: Call<'_>) {
        let Call { g, source, bias, bounds, target, .. } = call;
        let [from, to] = if self.pass == Pass::Forward { [g.input, g.output] } else { [g.output, g.input] };
        let channels = g.in_channels;
        let sweeps = Sweep::all(g, self.pass);
        // Only a single sweep slides: that of stride 1.
        let window = Window::new(g, &sweeps[0], from[1]);
        let sweeps: Vec<_> = sweeps
            .into_iter()
            .map(|sweep| {
                let runs = runs(&sweep);
                let tiles = tiles(&sweep, &runs, from[1], channels);
                Tiled { sweep, runs, tiles }
            })
            .collect();
        let walk = Walk {
            from,
            to,
            channels,
            window,
            // The first sweep has the most rows.
            rows: sweeps[0].sweep.count[0],
            sweeps,
            weights: &self.weights,
            zeros: &self.zeros,
            source,
            bias,
            bounds,
            target,
        };
        let rows = g.batch * walk.rows;
        let work = g.multiply_adds();
        let parts: Vec<_> = balanced(rows, rows.div_ceil(wanted_tasks(work))).collect();
        for_each(parts.len(), work, |i| dispatch_on(self.tier, Rows { walk: &walk, rows: parts[i].clone() }));
    }
}

/// A sweep, cut into tiles.
struct Tiled {
    sweep: Sweep,
    runs: Vec<Run>,
    tiles: Vec<Tile>,
}

/// One call: what its tasks share.
struct Walk<'a> {
    /// Extents of the source's pictures.
    from: [usize; 2],
    /// Extents of the target's.
    to: [usize; 2],
    channels: usize,
    window: Option<Window>,
    /// Rows of a sweep.
    rows: usize,
    sweeps: Vec<Tiled>,
    weights: &'a [f32],
    zeros: &'a [f32],
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    bounds: Bounds,
    target: Target<'a>,
}

/// Some rows of each sweep, counted through all images. Rows of different sweeps that have the same number read nearly the
/// same rows of the source, which then come from a cache.
struct Rows<'a> {
    walk: &'a Walk<'a>,
    rows: Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { walk, .. } = self;
        if let Some(window) = walk.window {
            return self.slide(s, window);
        }
        let [height, width] = walk.from;
        let line = width * walk.channels;
        for row in self.rows {
            let (image, y) = (row / walk.rows, row % walk.rows);
            let image_start = walk.source[image * height * line..][..height * line].as_ptr();
            let target = walk.target.pointer().wrapping_add(image * walk.to[0] * walk.to[1] * walk.channels);
            for Tiled { sweep, runs, tiles } in walk.sweeps.iter().filter(|tiled| y < tiled.sweep.count[0]) {
                let inside = inside(runs, y, sweep.step[0], height);
                for tile in tiles {
                    let operands = Operands {
                        channels: walk.channels,
                        reads: &tile.reads[inside.clone()],
                        source: image_start.wrapping_add(y * sweep.step[0] * line),
                        step: sweep.step[1],
                        weights: walk.weights,
                        bias: walk.bias,
                        bounds: walk.bounds,
                        target: target.wrapping_add(sweep.target([y, tile.x], walk.to[1]) * walk.channels),
                        spacing: sweep.spacing[1] * walk.channels,
                    };
                    // SAFETY: the rows of `inside` lie in the picture, and so do the columns that the masks name; the
                    // target pixels lie in the target, whose length `Call` checked, and belong to this task alone.
                    unsafe { tile.convolve(s, operands) };
                }
                if sweep.spacing == [1, 1] {
                    let first = target.wrapping_add(sweep.target([y, 0], walk.to[1]) * walk.channels);
                    // SAFETY: a sweep without gaps has whole rows, and this one belongs to this task alone.
                    unsafe { walk.target.complete_pixels(S::TIER, first, walk.to[1], walk.channels) };
                }
            }
        }
    }
}

impl Rows<'_> {
    /// The rows one by one, each by sliding along it.
    #[inline(always)]
    fn slide<S: Simd>(&self, s: S, window: Window) {
        let Walk { source, bias, bounds, weights, zeros, .. } = *self.walk;
        let walk = self.walk;
        let [height, width] = walk.to;
        let size = walk.from[0] * walk.from[1] * walk.channels;
        for row in self.rows.clone() {
            let image = &source[row / height * size..][..size];
            let row = sliding::Row {
                window,
                source: window.rows(image, row % height, walk.from, walk.channels, zeros),
                source_width: walk.from[1],
                weights,
                bias,
                bounds,
                target: self.walk.target.pointer().wrapping_add(row * width * walk.channels),
                width,
                channels: walk.channels,
            };
            // SAFETY: `Window::rows` gives rows of `source_width` pixels, and a `Window` exists only where each target pixel
            // of a row reads at least one of them. The target has the length that `Call` checked, and its row belongs to
            // this task alone.
            unsafe {
                row.convolve(s);
                walk.target.complete_pixels(S::TIER, row.target, width, walk.channels);
            }
        }
    }
}
