//! The weight gradient: for every tap, a sum of outer products of contiguous rows.
//!
//! `∂S/∂w[tap, c, o] = Σ_pixels x[pixel·stride + tap, c] · ∂S/∂y[pixel, o]`: both operands are contiguous along the
//! dimension that the result keeps, so nothing is transposed. The micro-kernel holds some channels `c` by `NR` outputs
//! `o`, and the reduction runs along rows of pixels, each tap over exactly the pixels for which it isn't in the padding.
//!
//! A 1×1 kernel at stride 1, without padding and groups, sees the pixels of all images as one column. If they are no more than a
//! block, a plain product computes the gradient.
//!
//! Pixels come in blocks small enough that a packed strip of `∂S/∂y` stays in the first-level cache; each block adds to the
//! result. A small result makes too few tasks. Then its blocks are distributed among *slices*, each with a sum of its own,
//! which are added in order; their number depends on the problem alone.
//!
//! Few input channels don't fill a tile: then rows are copied between margins of zeros, where every tap has every pixel, and
//! a tile's rows come from several taps, each with its own pointer.
//!
//! Where pixels have many channels, those of a block compete for a few sets of the first-level cache (pixels 4 KiB apart for
//! a single one), and each lies on another page. Tiles' channels are then gathered side by side, once for all of a task's
//! strips, and each strip passes over some tiles while it stays in the first-level cache.

use std::ops::Range;

use super::margins::copy_rows;
use super::pointwise::pointwise;
use super::sweep::inside;
use crate::ConvGeometry;
use crate::kernels::bounds::Bounds;
use crate::kernels::gemm::gemm_on;
use crate::kernels::pack::{GATHERED_VALUES, Matrix, gather_tiles, pack_rows};
use crate::kernels::parallel::{Disjoint, for_each, wanted_tasks};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::{Left, MOST_ROWS, NEAR, Tile, balanced, columns, max_rows};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

/// Pixels of a block: a strip of 16 values for each is 14 KiB, of 32 values 28 KiB.
const BLOCK: usize = 224;

/// Distance between neighbouring pixels, in values, from which a tile's channels are gathered.
const WIDE: usize = 64;

/// Most columns of a task: what it loads of the input serves all of them.
const COLUMNS: usize = 512;

/// Columns that a task has at least, before its rows are distributed.
const FEWEST_COLUMNS: usize = 64;

/// Tiles of rows that a task has at least, before its strips are distributed one by one.
const FEWEST_TILES: usize = 8;

/// Values of a result (128 KiB) up to which it is summed in slices.
const SMALL: usize = 32 << 10;

/// Slices of a small result.
const SLICES: usize = 8;

/// One tap: its first source row and column, and the output columns for which it isn't in the padding.
#[derive(Debug)]
struct Tap {
    row: isize,
    column: isize,
    columns: Range<usize>,
}

#[derive(Debug)]
pub(super) struct WeightGradient {
    g: ConvGeometry,
    /// Whether rows are copied between margins, where one tap stands for all.
    padded: bool,
    taps: Vec<Tap>,
    /// Rows of the result that a tap owns.
    run: usize,
}

impl WeightGradient {
    pub(super) fn new(g: &ConvGeometry, padded: bool) -> Self {
        let g = &if padded { *g } else { in_one_column(g) };
        let [kh, kw] = g.kernel;
        let row = |tap: usize| (tap * g.conv.dilation[0]).cast_signed() - g.conv.padding.top.cast_signed();
        if padded {
            let taps = vec![Tap { row: row(0), column: 0, columns: 0..g.output[1] }];
            return Self { g: *g, padded, taps, run: kh * kw * g.in_channels };
        }
        let taps = (0..kh * kw).map(|tap| {
            let column = (tap % kw * g.conv.dilation[1]).cast_signed() - g.conv.padding.left.cast_signed();
            Tap { row: row(tap / kw), column, columns: inside(column, g.conv.stride[1], g.input[1], g.output[1]) }
        });
        Self { g: *g, padded, taps: taps.collect(), run: g.group_in() }
    }

    pub(super) fn run(&self, tier: Tier, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let [height, width] = self.g.output;
        if !self.padded && pointwise(&self.g) && height <= BLOCK {
            let [pixels, inputs, outputs] = [height, self.g.in_channels, self.g.out_channels];
            let x = Matrix::new(x, [pixels, inputs]).transposed();
            return gemm_on(tier, x, Matrix::new(dy, [pixels, outputs]), dw);
        }
        let rows = (BLOCK / width).clamp(1, height);
        let blocks: Vec<Block> =
            (0..self.g.batch).flat_map(|image| balanced(height, rows).map(move |rows| Block { image, rows })).collect();
        let slice_blocks = if dw.len() <= SMALL { blocks.len().div_ceil(SLICES) } else { blocks.len() };
        let slices = blocks.len().div_ceil(slice_blocks.max(1));
        let size = dw.len();
        if slices <= 1 {
            return dispatch_on(
                tier,
                Run { problem: self, x, dy, size, sums: Disjoint::new(dw), blocks: &blocks, slices: 1 },
            );
        }
        with_scratch(slices * size, |sums| {
            dispatch_on(tier, Run { problem: self, x, dy, size, sums: Disjoint::new(sums), blocks: &blocks, slices });
            let (first, rest) = sums.split_at(size);
            dw.copy_from_slice(first);
            for slice in rest.chunks_exact(size) {
                dw.iter_mut().zip(slice).for_each(|(sum, &part)| *sum += part);
            }
        });
    }
}

/// The pixels of all images as one column, if each stands for itself. Otherwise blocks would be as small as images.
fn in_one_column(g: &ConvGeometry) -> ConvGeometry {
    let pixels = [g.batch * g.output[0] * g.output[1], 1];
    if pointwise(g) { ConvGeometry { batch: 1, input: pixels, output: pixels, ..*g } } else { *g }
}

/// Output rows of one image.
struct Block {
    image: usize,
    rows: Range<usize>,
}

struct Run<'a> {
    problem: &'a WeightGradient,
    x: &'a [f32],
    dy: &'a [f32],
    /// A result for each slice, one after the other.
    sums: Disjoint<'a>,
    /// Values of a result.
    size: usize,
    blocks: &'a [Block],
    slices: usize,
}

/// Result rows within one tap.
#[derive(Clone)]
struct Rows {
    tap: usize,
    channels: Range<usize>,
}

struct Task {
    slice: usize,
    group: usize,
    strips: Range<usize>,
    rows: Range<usize>,
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let WeightGradient { g, taps, run, .. } = self.problem;
        let strips = g.group_out().div_ceil(columns::<S>());
        let together = strips.div_ceil(COLUMNS / columns::<S>());
        let rows: Vec<Rows> = (0..taps.len())
            .flat_map(|tap| balanced(*run, max_rows::<S>()).map(move |channels| Rows { tap, channels }))
            .collect();
        let work = g.multiply_adds();
        let wanted = wanted_tasks(work);
        let groups = g.conv.groups;
        // Every task packs its strips and gathers its tiles itself. It gets fewer strips first, and then fewer rows.
        let wanted = wanted.div_ceil(self.slices * groups);
        let strip_parts = wanted.min(strips * columns::<S>() / FEWEST_COLUMNS).max(together);
        let row_parts = wanted.div_ceil(strip_parts).min(rows.len() / FEWEST_TILES).max(1);
        let strip_parts = wanted.div_ceil(row_parts).clamp(strip_parts, strips);
        let row_parts = wanted.div_ceil(strip_parts).clamp(row_parts, rows.len());
        let mut tasks = Vec::new();
        for slice in 0..self.slices {
            for group in 0..groups {
                for part in balanced(rows.len(), rows.len().div_ceil(row_parts)) {
                    for strips in balanced(strips, strips.div_ceil(strip_parts)) {
                        tasks.push(Task { slice, group, strips, rows: part.clone() });
                    }
                }
            }
        }
        for_each(tasks.len(), work, |i| {
            s.vectorize(Part { run: &self, rows: &rows[tasks[i].rows.clone()], task: &tasks[i] })
        });
    }
}

struct Part<'a> {
    run: &'a Run<'a>,
    rows: &'a [Rows],
    task: &'a Task,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Part { run, task, .. } = &self;
        let g = &run.problem.g;
        let nr = columns::<S>();
        let width = g.output[1];
        let most = run.blocks.iter().map(|block| block.rows.len()).max().unwrap_or(0) * width;
        let of_slice = balanced(run.blocks.len(), run.blocks.len().div_ceil(run.slices)).nth(task.slice);
        let Some(blocks) = of_slice.map(|range| &run.blocks[range]) else { return self.clear::<S>() };
        let mut tables = Tables::default();
        // A single whole strip is a panel as it is.
        let packed = g.conv.groups > 1 || g.out_channels != nr;
        let room = if packed { task.strips.len() * most * nr } else { 0 };
        with_scratch(room, |panels| {
            for (index, block) in blocks.iter().enumerate() {
                let pixels = block.rows.len() * width;
                let first = (block.image * g.output[0] + block.rows.start) * width * g.out_channels;
                let mut strips = Strips { values: &run.dy[first..], size: pixels * nr, first: index == 0 };
                if packed {
                    let upstream = Matrix::new(&run.dy[first..][..pixels * g.out_channels], [pixels, g.out_channels]);
                    let column = |strip: usize| task.group * g.group_out() + (strip * nr).min(g.group_out());
                    let panels = &mut panels[..task.strips.len() * pixels * nr];
                    let columns = column(task.strips.start)..column(task.strips.end);
                    pack_rows(s, upstream.part(0..pixels, columns), panels);
                    strips.values = panels;
                }
                self.block(s, block, strips, &mut tables);
            }
        });
    }
}

impl Part<'_> {
    /// Where a result row's strip lies.
    #[inline(always)]
    fn result(&self, rows: &Rows, column: usize) -> *mut f32 {
        let WeightGradient { g, run, .. } = &self.run.problem;
        let at = self.task.slice * self.run.size
            + (rows.tap * run + rows.channels.start) * g.out_channels
            + self.task.group * g.group_out()
            + column;
        self.run.sums.pointer().wrapping_add(at)
    }

    /// Adds one block.
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, block: &Block, strips: Strips<'_>, tables: &mut Tables) {
        let g = &self.run.problem.g;
        let [height, width] = g.input;
        let size = height * width * g.in_channels;
        let image = &self.run.x[block.image * size..][..size];
        if !self.run.problem.padded {
            let skip = self.task.group * g.group_in();
            let picture = Picture { values: &image[skip..], first: 0, height, width };
            if g.conv.stride[1] * g.in_channels < WIDE || self.task.strips.len() == 1 {
                return self.tiles(s, block, picture, strips, tables, None);
            }
            let tile = block.rows.len() * g.output[1] * max_rows::<S>();
            return with_scratch(tile * (GATHERED_VALUES / tile).clamp(1, self.rows.len().max(1)), |gathered| {
                self.tiles(s, block, picture, strips, tables, Some(gathered));
            });
        }
        let top = block.rows.start * g.conv.stride[0];
        let reach = (g.kernel[0] - 1) * g.conv.dilation[0];
        let count = (block.rows.len() - 1) * g.conv.stride[0] + reach + 1;
        let padded = width + g.conv.padding.total()[1];
        let line = padded * g.in_channels;
        with_scratch(count * line, |copy| {
            copy_rows(g, image, top, copy);
            let first = top.cast_signed() - g.conv.padding.top.cast_signed();
            let picture = Picture { values: copy, first, height: count, width: padded };
            self.tiles(s, block, picture, strips, tables, None);
        });
    }

    /// The task's result rows over one block. `gathered` is room for the channels of some tiles.
    #[inline(always)]
    fn tiles<S: Simd>(
        &self,
        s: S,
        block: &Block,
        picture: Picture<'_>,
        strips: Strips<'_>,
        tables: &mut Tables,
        mut gathered: Option<&mut [f32]>,
    ) {
        let WeightGradient { g, taps, padded, .. } = &self.run.problem;
        let nr = columns::<S>();
        let kernel_row = g.kernel[1] * g.in_channels;
        let line = g.conv.dilation[0] * picture.width * g.in_channels;
        let [down, right] = g.conv.stride;
        let Tables { starts, offsets, near } = tables;
        let mut length = 0;
        let mut prepared = usize::MAX;
        let room =
            gathered.as_ref().map_or(1, |gathered| gathered.len() / (block.rows.len() * g.output[1] * max_rows::<S>()));
        for group in self.rows.chunk_by(|a, b| a.tap == b.tap).flat_map(|of_tap| of_tap.chunks(room)) {
            if group[0].tap != prepared {
                prepared = group[0].tap;
                let tap = &taps[prepared];
                starts.clear();
                offsets.clear();
                length = tap.columns.len();
                for row in block.rows.clone() {
                    let y = (row * down).cast_signed() + tap.row - picture.first;
                    if length == 0 || !(0..picture.height.cast_signed()).contains(&y) {
                        continue;
                    }
                    let x = (tap.columns.start * right).cast_signed() + tap.column;
                    let pixel = y.cast_unsigned() * picture.width + x.cast_unsigned();
                    starts.push(picture.values[pixel * g.in_channels..].as_ptr());
                    offsets.push(((row - block.rows.start) * g.output[1] + tap.columns.start) * nr);
                }
                // Whole rows that follow one another are one long row.
                if length * right == picture.width && length == g.output[1] && down == 1 && starts.len() > 1 {
                    length *= starts.len();
                    starts.truncate(1);
                    offsets.truncate(1);
                }
            }
            near.clear();
            if *padded {
                for rows in group {
                    let shift = |row: usize| row / kernel_row * line + row % kernel_row;
                    for start in &*starts {
                        near.extend(rows.channels.clone().map(|row| start.wrapping_add(shift(row))));
                    }
                }
            } else if let Some(gathered) = &mut gathered {
                let channels: usize = group.iter().map(|rows| rows.channels.len()).sum();
                assert!(starts.len() * length * channels <= gathered.len(), "room for the gathered tiles");
                let target = gathered.as_mut_ptr();
                let first = group[0].channels.start;
                // Tile after tile, and in each run after run.
                let place = |rows: &Rows, run: usize| {
                    let before = starts.len() * (rows.channels.start - first) + run * rows.channels.len();
                    target.wrapping_add(before * length)
                };
                for rows in group {
                    near.extend((0..starts.len()).map(|run| place(rows, run).cast_const()));
                }
                for (run, &start) in starts.iter().enumerate() {
                    let tiles = group.iter().map(|rows| (rows.channels.len(), place(rows, run)));
                    // SAFETY: the tap's pixels of a run lie inside the picture, and each has these channels. The tiles lie
                    // one after the other in `gathered`, which has room for them.
                    unsafe { gather_tiles(s, start.wrapping_add(first), right * g.in_channels, length, tiles) };
                }
            }
            for (strip, panel) in self.task.strips.clone().zip(strips.values.chunks_exact(strips.size)) {
                let column = strip * nr;
                for (index, rows) in group.iter().enumerate() {
                    let channels = rows.channels.len();
                    let (left, left_step) = if *padded {
                        (Left::Rows(near, channels), right * g.in_channels)
                    } else if gathered.is_some() {
                        (Left::Columns(&near[index * starts.len()..][..starts.len()], 0), channels)
                    } else {
                        (Left::Columns(starts, rows.channels.start), right * g.in_channels)
                    };
                    let result = self.result(rows, column);
                    let out: [_; MOST_ROWS] = std::array::from_fn(|i| result.wrapping_add(i * g.out_channels));
                    let tile = Tile {
                        offsets: &*offsets,
                        left,
                        length,
                        left_step,
                        // Gathered tiles lie one after the other.
                        strips: 1,
                        ahead_step: 0,
                        far: false,
                        ahead: gathered
                            .as_ref()
                            .and(near.get((index + 1) * starts.len()))
                            .map_or(std::ptr::null(), |&next| next),
                        panel,
                        prefetch: NEAR,
                        out: &out[..channels],
                        columns: nr.min(g.group_out() - column),
                        accumulate: !strips.first,
                        bias: None,
                        bounds: Bounds::None,
                    };
                    // SAFETY: the `length` pixels of a run lie inside the picture, and each holds the tap's channels; the
                    // strip has a step for each pixel of the block. These rows and columns of the slice's result belong to
                    // this task alone, and an earlier block has written them if the sum is added to them.
                    unsafe { tile.run(s) };
                }
            }
        }
    }

    /// The sum over no blocks, in this task's strips.
    fn clear<S: Simd>(&self) {
        let g = &self.run.problem.g;
        let column = |strip: usize| (strip * columns::<S>()).min(g.group_out());
        let [first, end] = [self.task.strips.start, self.task.strips.end].map(column);
        for rows in self.rows {
            let result = self.result(rows, first);
            for i in 0..rows.channels.len() {
                // SAFETY: these are the rows and columns of the slice's result that are the task's own.
                unsafe { result.wrapping_add(i * g.out_channels).write_bytes(0, end - first) };
            }
        }
    }
}

/// Pointers to a block's operands. A task uses the memory again for each of its blocks.
#[derive(Default)]
struct Tables {
    /// Where each run of pixels starts in the picture, as seen through the tap.
    starts: Vec<*const f32>,
    /// Where each run starts in a strip.
    offsets: Vec<usize>,
    /// Where the tile's rows start, if they aren't read there.
    near: Vec<*const f32>,
}

/// A block of ∂S/∂y as the micro-kernel reads it, in strips of `NR` columns.
#[derive(Clone, Copy)]
struct Strips<'a> {
    values: &'a [f32],
    /// Values of a strip.
    size: usize,
    /// Whether it is the first block of a sum.
    first: bool,
}

/// The rows of pixels that a block reads; the first is row `first` of the image.
#[derive(Clone, Copy)]
struct Picture<'a> {
    values: &'a [f32],
    first: isize,
    height: usize,
    width: usize,
}
