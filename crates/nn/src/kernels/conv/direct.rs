//! Direct convolution: a product whose left operand is read in place.
//!
//! For each target pixel and tap there is one pointer: to the source pixel's channels, which are contiguous, or, in the
//! padding, to a run of zeros. The micro-kernel walks those runs; nothing is copied. A tap that lies in the padding for
//! all pixels of a tile is left out. Weights are packed once into panels `[tap, channel, NR]`.

use super::sweep::Sweep;
use crate::ConvGeometry;
use crate::kernels::pack::{Matrix, pack_panel};
use crate::kernels::parallel::{Shared, for_each, wanted_tasks};
use crate::kernels::tile::{Left, MOST_ROWS, Start, Tile, balanced, columns, max_rows, panel_columns};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

/// Bytes of source rows that one task works through for every panel: well within a second-level cache.
const SOURCE_BYTES: usize = 192 << 10;

/// Bytes of panels that stay in the second-level cache: with no more, few tiles at a time pass over all of them, so that
/// whole pixels are written; with more, all tiles of a task pass over one panel after the other.
const PANEL_BYTES: usize = 192 << 10;

/// Those few.
const FEW_TILES: usize = 8;

/// A convolution-like walk with its weights in panels.
#[derive(Debug)]
pub(crate) struct Direct {
    tier: Tier,
    /// Pixels and channels of the source and of the target.
    source: [usize; 3],
    target: [usize; 3],
    groups: usize,
    /// Values of one run: the source channels of a group.
    run: usize,
    sweeps: Vec<Sweep>,
    /// For each sweep, group and strip of `NR` target channels: a panel `[taps, run, NR]`.
    panels: Vec<f32>,
    zeros: Vec<f32>,
}

impl Direct {
    /// The forward pass, reading the input in place.
    pub(crate) fn forward(g: &ConvGeometry, tier: Tier) -> Self {
        Self {
            tier,
            source: [g.input[0], g.input[1], g.in_channels],
            target: [g.output[0], g.output[1], g.out_channels],
            groups: g.conv.groups,
            run: g.group_in(),
            sweeps: vec![Sweep::forward(g)],
            panels: Vec::new(),
            zeros: vec![0.0; g.group_in()],
        }
    }

    /// The input gradient, reading the output's gradient in place.
    pub(crate) fn input_gradient(g: &ConvGeometry, tier: Tier) -> Self {
        Self {
            tier,
            source: [g.output[0], g.output[1], g.out_channels],
            target: [g.input[0], g.input[1], g.in_channels],
            groups: g.conv.groups,
            run: g.group_out(),
            sweeps: Sweep::input_gradient(g),
            panels: Vec::new(),
            zeros: vec![0.0; g.group_out()],
        }
    }

    /// Packs weights `[Kh, Kw, Cin / groups, Cout]`; `transposed` exchanges the roles of the channels.
    pub(crate) fn pack(&mut self, w: &[f32], out_channels: usize, transposed: bool) {
        let nr = panel_columns(self.tier);
        let group_target = self.target[2] / self.groups;
        let group_out = out_channels / self.groups;
        let strips = group_target.div_ceil(nr);
        let size: usize =
            self.sweeps.iter().map(|s| s.taps.len()).sum::<usize>() * self.run * self.groups * strips * nr;
        self.panels.resize(size, 0.0);
        let mut rest = self.panels.as_mut_slice();
        for sweep in &self.sweeps {
            for group in 0..self.groups {
                for strip in 0..strips {
                    let first = strip * nr;
                    let width = nr.min(group_target - first);
                    for tap in &sweep.taps {
                        let (panel, after) = std::mem::take(&mut rest).split_at_mut(self.run * nr);
                        rest = after;
                        let matrix = if transposed {
                            let start = (tap.kernel * group_target + first) * out_channels + group * group_out;
                            Matrix {
                                values: &w[start..],
                                rows: self.run,
                                columns: width,
                                row_step: 1,
                                column_step: out_channels,
                            }
                        } else {
                            let start = tap.kernel * self.run * out_channels + group * group_out + first;
                            Matrix {
                                values: &w[start..],
                                rows: self.run,
                                columns: width,
                                row_step: out_channels,
                                column_step: 1,
                            }
                        };
                        pack_panel(matrix, nr, panel);
                    }
                }
            }
        }
    }

    /// Runs over `[N, H, W, C]` of source and target.
    ///
    /// # Panics
    /// If the slices don't hold the same whole number of images, or the bias isn't one value a target channel.
    pub(crate) fn run(&self, source: &[f32], bias: Option<&[f32]>, relu: bool, target: &mut [f32]) {
        let images = source.len() / self.source.iter().product::<usize>();
        assert_eq!(source.len(), images * self.source.iter().product::<usize>(), "source of a convolution");
        assert_eq!(target.len(), images * self.target.iter().product::<usize>(), "target of a convolution");
        assert!(bias.is_none_or(|b| b.len() == self.target[2]), "one bias a channel");
        dispatch_on(self.tier, Run { direct: self, images, source, bias, relu, target: Shared::new(target) });
    }
}

struct Run<'a> {
    direct: &'a Direct,
    images: usize,
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    relu: bool,
    target: Shared,
}

/// A part of the work: rows of one image's sweep, by strips of one group's target channels.
#[derive(Clone)]
struct Task {
    image: usize,
    sweep: usize,
    /// Values before the sweep's first panel.
    panels: usize,
    rows: std::ops::Range<usize>,
    group: usize,
    strips: std::ops::Range<usize>,
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.direct;
        let nr = columns::<S>();
        let strips = (d.target[2] / d.groups).div_ceil(nr);
        let mut work = 0;
        let mut tasks = Vec::new();
        let row_bytes = d.source[1] * d.source[2] * 4;
        for sweep in &d.sweeps {
            work += (self.images * sweep.count[0] * sweep.count[1] * sweep.taps.len() * d.run * d.target[2]) as u64;
        }
        let wanted = wanted_tasks(work).div_ceil(d.sweeps.len() * d.groups);
        let mut panels = 0;
        for (index, sweep) in d.sweeps.iter().enumerate() {
            // Rows so that the source stays in cache and there are tasks enough, but tiles enough as well.
            let cached = (SOURCE_BYTES / (row_bytes * sweep.step[0])).max(1);
            let shared = (sweep.count[0] * self.images).div_ceil(wanted);
            let least = (8 * max_rows::<S>()).div_ceil(sweep.count[1]);
            let rows = cached.min(shared).max(least).min(sweep.count[0]);
            let chunks = sweep.count[0].div_ceil(rows);
            let strip_parts = wanted.div_ceil(self.images * chunks).min(strips);
            for image in 0..self.images {
                for chunk in balanced(sweep.count[0], rows) {
                    for group in 0..d.groups {
                        for strips in balanced(strips, strips.div_ceil(strip_parts)) {
                            tasks.push(Task { image, sweep: index, panels, rows: chunk.clone(), group, strips });
                        }
                    }
                }
            }
            panels += sweep.taps.len() * d.run * d.groups * strips * nr;
        }
        for_each(tasks.len(), work, |i| s.vectorize(Part { run: &self, task: &tasks[i] }));
    }
}

struct Part<'a> {
    run: &'a Run<'a>,
    task: &'a Task,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.run.direct;
        let size: usize = d.source.iter().product();
        let image = &self.run.source[self.task.image * size..][..size];
        self.tiles(s, image, [d.source[0], d.source[1]]);
    }
}

/// Where a tile lies in the task's tables.
struct Place {
    rows: usize,
    /// First run, and runs.
    runs: std::ops::Range<usize>,
    /// First target pointer.
    out: usize,
}

impl Part<'_> {
    /// All tiles of the task over one image's source.
    #[inline(always)]
    fn tiles<S: Simd>(&self, s: S, source: &[f32], size: [usize; 2]) {
        let Part { run, task } = self;
        let d = run.direct;
        let sweep = &d.sweeps[task.sweep];
        let nr = columns::<S>();
        let group_target = d.target[2] / d.groups;
        let group_source = d.source[2] / d.groups * task.group;
        let zeros = d.zeros.as_ptr();
        let image = task.image * d.target[0] * d.target[1];

        // From a target pixel's first source value to each tap's, and the taps' extremes.
        let channels = d.source[2].cast_signed();
        let shifts: Vec<isize> =
            sweep.taps.iter().map(|tap| (tap.offset[0] * size[1].cast_signed() + tap.offset[1]) * channels).collect();
        let extreme = |d: usize| {
            let offsets = || sweep.taps.iter().map(move |tap| tap.offset[d]);
            [offsets().min().unwrap_or(0), offsets().max().unwrap_or(0)]
        };
        let extremes = [extreme(0), extreme(1)];
        let panel_size = sweep.taps.len() * d.run * nr;
        let strips = group_target.div_ceil(nr);
        let at_once = if strips * panel_size * 4 <= PANEL_BYTES { FEW_TILES } else { usize::MAX };

        let pixels = task.rows.start * sweep.count[1]..task.rows.end * sweep.count[1];
        let mut parts = balanced(pixels.len(), max_rows::<S>());
        let mut pixel = [task.rows.start, 0];
        let (mut places, mut offsets, mut rows, mut out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        loop {
            places.clear();
            offsets.clear();
            rows.clear();
            out.clear();
            // A pointer for each tile, run and row.
            for part in parts.by_ref().take(at_once) {
                let mut starts = [zeros; MOST_ROWS];
                let mut sources = [[0; 2]; MOST_ROWS];
                let mut whole = true;
                let first_out = out.len();
                for i in 0..part.len() {
                    let at = (image + sweep.target(pixel, d.target[1])) * d.target[2] + task.group * group_target;
                    out.push(run.target.pointer().wrapping_add(at));
                    let here = [pixel[0] * sweep.step[0], pixel[1] * sweep.step[1]];
                    let first = (here[0] * size[1] + here[1]) * d.source[2] + group_source;
                    starts[i] = source.as_ptr().wrapping_add(first);
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
                let first_run = offsets.len();
                for (index, (tap, &shift)) in sweep.taps.iter().zip(&shifts).enumerate() {
                    let mut pointers = starts.map(|start| start.wrapping_offset(shift));
                    let mut inside = whole;
                    if !whole {
                        for i in 0..part.len() {
                            let there =
                                (0..2).all(|d| (0..size[d].cast_signed()).contains(&(sources[i][d] + tap.offset[d])));
                            if !there {
                                pointers[i] = zeros;
                            }
                            inside |= there;
                        }
                    }
                    if inside {
                        rows.extend_from_slice(&pointers[..max_rows::<S>()]);
                        offsets.push(index * d.run * nr);
                    }
                }
                places.push(Place { rows: part.len(), runs: first_run..offsets.len(), out: first_out });
            }
            if places.is_empty() {
                return;
            }

            for strip in task.strips.clone() {
                let panel = task.panels + (task.group * strips + strip) * panel_size;
                let column = strip * nr;
                let start = match run.bias {
                    Some(bias) => Start::Bias(bias[task.group * group_target + column..].as_ptr()),
                    None => Start::Zero,
                };
                for place in &places {
                    let left = &rows[place.runs.start * max_rows::<S>()..];
                    // The pixels of a 1×1 kernel are read once: the next tile's lie behind this one's.
                    let ahead = if sweep.taps.len() == 1 && !place.runs.is_empty() {
                        left[place.rows - 1].wrapping_add(d.run)
                    } else {
                        std::ptr::null()
                    };
                    let mut strip_out = [std::ptr::null_mut(); MOST_ROWS];
                    for i in 0..place.rows {
                        strip_out[i] = out[place.out + i].wrapping_add(column);
                    }
                    let tile = Tile {
                        runs: place.runs.len(),
                        offsets: offsets[place.runs.start..].as_ptr(),
                        left: Left::Rows(left.as_ptr(), max_rows::<S>()),
                        length: d.run,
                        left_step: 1,
                        ahead,
                        panel: d.panels[panel..].as_ptr(),
                        panel_step: nr,
                        out: strip_out.as_ptr(),
                        columns: nr.min(group_target - column),
                        start,
                        relu: run.relu,
                    };
                    // SAFETY: each pointer that is read leads to `run` values: a group's channels of a source pixel
                    // inside the picture (`there`), or the zeros. The panel holds `run` steps for each tap. A target pixel's strip belongs to
                    // this task alone, and source and target are distinct slices.
                    unsafe { tile.run(s, place.rows) };
                }
            }
        }
    }
}
