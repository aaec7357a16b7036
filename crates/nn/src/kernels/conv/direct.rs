//! Direct convolution: a product whose left operand is read in place.
//!
//! Inside the picture, there is a pointer for each target pixel and a distance for each tap: together they lead to the source
//! pixel's channels, which are contiguous. A tile that touches the padding has a pointer for each pixel and tap, and in the padding
//! it leads to a run of zeros. The micro-kernel walks along these runs; nothing is copied. A tap that lies in the padding for all
//! pixels of a tile is left out. Weights are packed once into panels `[tap, channel, NR]`. A 1×1 kernel at stride 1 is
//! a matrix product ([`Pointwise`]).

use std::ops::Range;

use super::pointwise::{Pointwise, pointwise};
use super::sweep::{Sweep, phases};
use super::weight_gradient::WeightGradient;
use crate::ConvGeometry;
use crate::kernels::bounds::Bounds;
use crate::kernels::finish::Target;
use crate::kernels::pack::{Matrix, pack_panel};
use crate::kernels::parallel::{for_each, wanted_tasks};
use crate::kernels::pass::{Call, Convolve, Facts, Pass};
use crate::kernels::tile::{Left, MOST_ROWS, NEAR, Tile, balanced, columns, max_rows};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

pub(super) const FACTS: Facts = Facts {
    name: "direct",
    supports: |_| true,
    suits: |_, _| true,
    forward: Some(|g, tier| build(g, Pass::Forward, tier)),
    input_gradient: Some(|g, tier| build(g, Pass::InputGradient, tier)),
    weight_gradient: Some(|g, tier, x, dy, dw| WeightGradient::new(g, false).run(tier, x, dy, dw)),
};

fn build(g: &ConvGeometry, pass: Pass, tier: Tier) -> Box<dyn Convolve> {
    if pointwise(g) { Box::new(Pointwise::new(g, pass, tier)) } else { Box::new(Direct::new(g, pass, tier)) }
}

/// Bytes of source rows that one task reads for every panel: well within a second-level cache.
const SOURCE_BYTES: usize = 192 << 10;

/// Bytes of panels that stay in the second-level cache. With no more, [`FEW_TILES`] at a time pass over all of them, so
/// that whole pixels are written; with more, all tiles of a task pass over one panel after the other.
const PANEL_BYTES: usize = 192 << 10;

const FEW_TILES: usize = 8;

/// The weights of a forward pass or an input gradient, in panels.
#[derive(Debug)]
struct Direct {
    tier: Tier,
    /// Of any picture.
    geometry: ConvGeometry,
    pass: Pass,
    /// For each phase, group and strip of `NR` target channels: a panel `[taps, run, NR]`.
    panels: Vec<f32>,
    /// The channels of a source pixel in the padding.
    zeros: Vec<f32>,
}

impl Direct {
    fn new(g: &ConvGeometry, pass: Pass, tier: Tier) -> Self {
        let zeros = vec![0.0; if pass == Pass::Forward { g.in_channels } else { g.out_channels }];
        Self { tier, geometry: *g, pass, panels: Vec::new(), zeros }
    }
}

impl Convolve for Direct {
    fn update(&mut self, w: &[f32]) {
        dispatch_on(self.tier, Pack { direct: self, w });
    }

    fn run(&self, call: Call<'_>) {
        let Call { g, source, bias, bounds, target, .. } = call;
        let [input, output] = [g.input_shape(), g.output_shape()].map(|[_, h, w, channels]| [h, w, channels]);
        let [from, to] = if self.pass == Pass::Forward { [input, output] } else { [output, input] };
        let walk = Walk {
            panels: &self.panels,
            zeros: &self.zeros,
            sweeps: Sweep::all(g, self.pass),
            images: g.batch,
            groups: g.conv.groups,
            from,
            to,
            source,
            bias,
            bounds,
            target,
        };
        dispatch_on(self.tier, walk);
    }
}

struct Pack<'a> {
    direct: &'a mut Direct,
    w: &'a [f32],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Direct { geometry: g, pass, panels, .. } = self.direct;
        let nr = columns::<S>();
        let [group_in, group_out] = [g.group_in(), g.group_out()];
        let forward = *pass == Pass::Forward;
        let (run, group_target) = if forward { (group_in, group_out) } else { (group_out, group_in) };
        let strips = group_target.div_ceil(nr);
        panels.resize(g.kernel[0] * g.kernel[1] * run * g.conv.groups * strips * nr, 0.0);
        let mut panels = panels.chunks_exact_mut(run * nr);
        for taps in phases(g, *pass).values() {
            for (group, strip) in (0..g.conv.groups).flat_map(|group| (0..strips).map(move |strip| (group, strip))) {
                let channels = strip * nr..group_target.min((strip + 1) * nr);
                let outputs = group * group_out;
                for tap in taps {
                    let w = &self.w[tap * group_in * g.out_channels..][..group_in * g.out_channels];
                    let w = Matrix::new(w, [group_in, g.out_channels]);
                    let matrix = if forward {
                        w.part(0..group_in, outputs + channels.start..outputs + channels.end)
                    } else {
                        w.part(channels.clone(), outputs..outputs + group_out).transposed()
                    };
                    pack_panel(s, matrix, panels.next().expect("a panel for each tap"));
                }
            }
        }
    }
}

/// One call: a convolution-like walk over pictures.
struct Walk<'a> {
    panels: &'a [f32],
    /// The channels of a source pixel in the padding.
    zeros: &'a [f32],
    sweeps: Vec<Sweep>,
    images: usize,
    groups: usize,
    /// `[H, W, C]` of the source.
    from: [usize; 3],
    /// `[H, W, C]` of the target.
    to: [usize; 3],
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    bounds: Bounds,
    target: Target<'a>,
}

/// A part of the work: rows of one image's sweep, by some groups, and strips of each one's target channels.
struct Task {
    image: usize,
    sweep: usize,
    rows: Range<usize>,
    groups: Range<usize>,
    strips: Range<usize>,
}

impl Kernel for Walk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let strips = (self.to[2] / self.groups).div_ceil(columns::<S>());
        let row_bytes = self.from[1] * self.from[2] * 4;
        let run = self.run_length();
        let work = |sweep: &Sweep| self.images * sweep.count[0] * sweep.count[1] * sweep.taps.len() * run * self.to[2];
        let work = self.sweeps.iter().map(work).sum::<usize>() as u64;
        let wanted = wanted_tasks(work).div_ceil(self.sweeps.len());
        let mut tasks = Vec::new();
        for (index, sweep) in self.sweeps.iter().enumerate() {
            // Few enough rows that the source stays in the cache and that there are enough tasks, but enough for some tiles.
            let cached = (SOURCE_BYTES / (row_bytes * sweep.step[0])).max(1);
            let shared = (sweep.count[0] * self.images).div_ceil(wanted);
            let least = (8 * max_rows::<S>()).div_ceil(sweep.count[1]);
            let rows = cached.min(shared).max(least).min(sweep.count[0]);
            let chunks = sweep.count[0].div_ceil(rows);
            let panel_parts = wanted.div_ceil((self.images * chunks).max(1));
            let group_parts = panel_parts.min(self.groups);
            let strip_parts = panel_parts.div_ceil(group_parts).min(strips);
            for image in 0..self.images {
                for chunk in balanced(sweep.count[0], rows) {
                    for groups in balanced(self.groups, self.groups.div_ceil(group_parts)) {
                        for strips in balanced(strips, strips.div_ceil(strip_parts)) {
                            let (rows, groups) = (chunk.clone(), groups.clone());
                            tasks.push(Task { image, sweep: index, rows, groups, strips });
                        }
                    }
                }
            }
        }
        for_each(tasks.len(), work, |i| s.vectorize(Part { walk: &self, task: &tasks[i] }));
    }
}

impl Walk<'_> {
    /// Values of one run: the source channels of a group.
    fn run_length(&self) -> usize {
        self.from[2] / self.groups
    }
}

struct Part<'a> {
    walk: &'a Walk<'a>,
    task: &'a Task,
}

/// Where a tile lies in the task's tables.
struct Place {
    /// Its first pixel.
    first: usize,
    rows: usize,
    /// Its runs, if some of its taps lie in the padding.
    runs: Option<Range<usize>>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { walk, task } = self;
        let Walk { from, to, .. } = *walk;
        let sweep = &walk.sweeps[task.sweep];
        let nr = columns::<S>();
        let run = walk.run_length();
        let group_target = to[2] / walk.groups;
        let group_source = run * task.groups.start;
        let zeros = walk.zeros.as_ptr();
        let image = task.image * to[0] * to[1];
        let size = [from[0], from[1]];
        let source = &walk.source[task.image * size[0] * size[1] * from[2]..][..size[0] * size[1] * from[2]];

        // The distance from a target pixel's first source value to each tap's, and the extremes of the taps' offsets.
        let channels = from[2].cast_signed();
        let shifts: Vec<isize> =
            sweep.taps.iter().map(|tap| (tap.offset[0] * size[1].cast_signed() + tap.offset[1]) * channels).collect();
        let extreme = |d: usize| {
            let offsets = || sweep.taps.iter().map(move |tap| tap.offset[d]);
            [offsets().min().unwrap_or(0), offsets().max().unwrap_or(0)]
        };
        let extremes = [extreme(0), extreme(1)];
        let panel_size = sweep.taps.len() * run * nr;
        let strips = group_target.div_ceil(nr);
        let first_panel = sweep.taps_before * run * walk.groups * strips * nr;
        let at_once = if task.groups.len() * strips * panel_size * 4 <= PANEL_BYTES { FEW_TILES } else { usize::MAX };

        let pixels = task.rows.start * sweep.count[1]..task.rows.end * sweep.count[1];
        let mut parts = balanced(pixels.len(), max_rows::<S>());
        let mut pixel = [task.rows.start, 0];
        let all_offsets: Vec<usize> = (0..sweep.taps.len()).map(|tap| tap * run * nr).collect();
        let (mut places, mut starts, mut out) = (Vec::new(), Vec::new(), Vec::new());
        let (mut offsets, mut rows) = (Vec::new(), Vec::new());
        loop {
            places.clear();
            starts.clear();
            out.clear();
            offsets.clear();
            rows.clear();
            // A pointer for each pixel, to the first group's channels; for each tap of each, if some lie in the padding.
            for part in parts.by_ref().take(at_once) {
                let mut sources = [[0; 2]; MOST_ROWS];
                let mut whole = true;
                let first = out.len();
                for i in 0..part.len() {
                    let at = (image + sweep.target(pixel, to[1])) * to[2];
                    out.push(walk.target.pointer().wrapping_add(at));
                    let here = [pixel[0] * sweep.step[0], pixel[1] * sweep.step[1]];
                    starts.push(source.as_ptr().wrapping_add((here[0] * size[1] + here[1]) * from[2] + group_source));
                    sources[i] = here.map(usize::cast_signed);
                    whole &= (0..2).all(|d| {
                        let [low, high] = extremes[d];
                        sources[i][d] + low >= 0 && sources[i][d] + high < size[d].cast_signed()
                    });
                    pixel[1] += 1;
                    if pixel[1] == sweep.count[1] {
                        pixel = [pixel[0] + 1, 0];
                    }
                }
                let runs = (!whole).then(|| {
                    let first_run = offsets.len();
                    for ((tap, &shift), &offset) in sweep.taps.iter().zip(&shifts).zip(&all_offsets) {
                        let mut pointers = [zeros; MOST_ROWS];
                        let mut inside = false;
                        for i in 0..part.len() {
                            let there =
                                (0..2).all(|d| (0..size[d].cast_signed()).contains(&(sources[i][d] + tap.offset[d])));
                            if there {
                                pointers[i] = starts[first + i].wrapping_offset(shift);
                                inside = true;
                            }
                        }
                        if inside {
                            rows.extend_from_slice(&pointers[..max_rows::<S>()]);
                            offsets.push(offset);
                        }
                    }
                    first_run..offsets.len()
                });
                places.push(Place { first, rows: part.len(), runs });
            }
            if places.is_empty() {
                return;
            }

            for group in task.groups.clone() {
                for strip in task.strips.clone() {
                    let panel = first_panel + (group * strips + strip) * panel_size;
                    let column = strip * nr;
                    let columns = nr.min(group_target - column);
                    let channel = group * group_target + column;
                    let bias = walk.bias.map(|bias| &bias[channel..]);
                    for place in &places {
                        let pixels = place.first..place.first + place.rows;
                        let (offsets, left) = match &place.runs {
                            None => (&all_offsets[..], Left::Shifted(&starts[pixels.clone()], &shifts)),
                            Some(runs) => {
                                let rows = &rows[runs.start * max_rows::<S>()..];
                                (&offsets[runs.clone()], Left::Rows(rows, max_rows::<S>()))
                            }
                        };
                        // The pixels of a 1×1 kernel are read once: those of the next tile follow those of this one.
                        let ahead = match (&place.runs, &shifts[..]) {
                            (None, &[shift]) => starts[pixels.end - 1].wrapping_offset(shift).wrapping_add(run),
                            _ => std::ptr::null(),
                        };
                        let mut strip_out = [std::ptr::null_mut(); MOST_ROWS];
                        for (strip_out, out) in strip_out.iter_mut().zip(&out[pixels]) {
                            *strip_out = out.wrapping_add(channel);
                        }
                        let tile = Tile {
                            offsets,
                            left,
                            length: run,
                            left_step: 1,
                            strips: 1,
                            ahead_step: 0,
                            far: false,
                            ahead,
                            panel: &walk.panels[panel..][..panel_size],
                            prefetch: NEAR,
                            out: &strip_out[..place.rows],
                            columns,
                            accumulate: false,
                            bias,
                            bounds: walk.bounds,
                        };
                        // SAFETY: each pointer that is read leads to `run` values: a group's channels of a source pixel
                        // inside the picture (`whole`, `there`), or of the zeros. The panel holds `run` steps for each tap. The target has
                        // the length that `Call` checked, and its pixels' strips belong to this task alone.
                        unsafe { tile.run(s) };
                    }
                    // SAFETY: as above.
                    unsafe { walk.target.complete(S::TIER, &out, channel..channel + columns) };
                }
                // The next group's channels follow.
                starts.iter_mut().chain(&mut rows).for_each(|row| *row = row.wrapping_add(run));
            }
        }
    }
}
