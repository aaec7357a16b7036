//! The input gradient towards few channels: products that end in pixels, added to the picture afterwards.
//!
//! With three input channels a product that ends in channels would fill three of sixteen columns. So this one ends in
//! pixels: for one row of outputs, `P [Kh·Kw·Cin, Wo] = W [Kh·Kw·Cin, Cout] · (∂S/∂y)ᵀ [Cout, Wo]`, whose left operand
//! is the kernel as it is in memory. Row `(kh, kw, c)` of `P` is then added to channel `c` of an input row, shifted by
//! `kw`: along pixels again, in a plane for each channel (and, at a stride, for each column modulo the stride). The
//! planes are interleaved at the end.

use std::ops::Range;

use super::margins::FEW_CHANNELS;
use crate::ConvGeometry;
use crate::kernels::bounds::Bounds;
use crate::kernels::finish::Target;
use crate::kernels::pack::{Matrix, pack_panel};
use crate::kernels::parallel::{for_each, wanted_tasks};
use crate::kernels::pass::{Call, Convolve, Facts};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::{Left, MOST_ROWS, NEAR, Tile, balanced, columns, max_rows};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

pub(super) const FACTS: Facts = Facts {
    name: "columns",
    supports: |g| g.conv.groups == 1,
    suits: |g, _| g.in_channels <= FEW_CHANNELS,
    forward: None,
    input_gradient: Some(|_, tier| Box::new(Columns { tier, weights: Vec::new() })),
    weight_gradient: None,
};

/// Input rows that a task takes at least: it recomputes the outputs that reach across its edges.
const LEAST_ROWS: usize = 16;

/// The weights as they are.
#[derive(Debug)]
struct Columns {
    tier: Tier,
    weights: Vec<f32>,
}

impl Convolve for Columns {
    fn update(&mut self, w: &[f32]) {
        self.weights.clear();
        self.weights.extend_from_slice(w);
    }

    fn run(&self, call: Call<'_>) {
        let Call { g, source: dy, target: dx, .. } = call;
        let from = g.output[0] * g.output[1] * g.out_channels;
        let (height, work) = (g.input[0], g.multiply_adds());
        let chunk = (height * g.batch).div_ceil(wanted_tasks(work)).clamp(LEAST_ROWS, height.max(LEAST_ROWS));
        let chunks: Vec<_> = balanced(height, chunk).collect();
        for_each(g.batch * chunks.len(), work, |i| {
            let (image, rows) = (i / chunks.len(), chunks[i % chunks.len()].clone());
            let dy = &dy[image * from..][..from];
            dispatch_on(self.tier, Rows { g, weights: &self.weights, dy, dx, image, rows });
        });
    }
}

/// Some input rows of one image.
struct Rows<'a> {
    g: &'a ConvGeometry,
    weights: &'a [f32],
    dy: &'a [f32],
    dx: Target<'a>,
    image: usize,
    rows: Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let g = self.g;
        let [kh, kw] = g.kernel;
        let [down, right] = g.conv.stride;
        let cin = g.in_channels;
        let nr = columns::<S>();
        // Padded column p = ow·stride + kw·dilation is entry p / stride of the plane of p mod stride.
        let reach = [0, 1].map(|d| (g.kernel[d] - 1) * g.conv.dilation[d]);
        let plane = (g.output[1] + reach[1] / right).max((g.input[1] - 1 + g.conv.padding.left) / right + 1);
        let row_size = cin * right * plane;
        let products = kh * kw * cin * nr;
        with_scratch(self.rows.len() * row_size + products + g.out_channels * nr, |memory| {
            let (planes, rest) = memory.split_at_mut(self.rows.len() * row_size);
            let (products, panel) = rest.split_at_mut(products);
            planes.fill(0.0);
            let top = g.conv.padding.top;
            let first = (self.rows.start + top).saturating_sub(reach[0]).div_ceil(down);
            let end = ((self.rows.end - 1 + top) / down + 1).min(g.output[0]);
            for oh in first..end {
                // The input row that a kernel row reaches, counted from the task's first row, if it belongs to the task.
                let row = |tap: usize| {
                    let padded = oh * down + tap * g.conv.dilation[0];
                    padded.checked_sub(top + self.rows.start).filter(|&row| row < self.rows.len())
                };
                let taps = (0..kh).position(|tap| row(tap).is_some()).unwrap_or(kh)
                    ..(0..kh).rposition(|tap| row(tap).is_some()).map_or(kh, |last| last + 1);
                for ow in (0..g.output[1]).step_by(nr) {
                    let width = nr.min(g.output[1] - ow);
                    let outputs = &self.dy[oh * g.output[1] * g.out_channels..][..g.output[1] * g.out_channels];
                    let outputs = Matrix::new(outputs, [g.output[1], g.out_channels]);
                    pack_panel(s, outputs.part(ow..ow + width, 0..g.out_channels).transposed(), panel);
                    let lines = taps.start * kw * cin..taps.end * kw * cin;
                    self.products(s, panel, width, lines, products);
                    for tap in taps.clone() {
                        let Some(row) = row(tap) else { continue };
                        for tap_column in 0..kw {
                            let shift = tap_column * g.conv.dilation[1];
                            for channel in 0..cin {
                                let line = (row * cin + channel) * right + shift % right;
                                let target = &mut planes[line * plane + shift / right + ow..][..width];
                                let source = &products[((tap * kw + tap_column) * cin + channel) * nr..][..width];
                                target.iter_mut().zip(source).for_each(|(sum, &product)| *sum += product);
                            }
                        }
                    }
                }
            }
            self.interleave(planes, plane);
        });
    }
}

impl Rows<'_> {
    /// A range of rows of `P`, for the pixels of one panel.
    #[inline(always)]
    fn products<S: Simd>(&self, s: S, panel: &[f32], width: usize, lines: Range<usize>, products: &mut [f32]) {
        let nr = columns::<S>();
        let depth = self.g.out_channels;
        assert!(lines.end * nr <= products.len(), "room for {} lines", lines.end);
        let products = products.as_mut_ptr();
        for part in balanced(lines.len(), max_rows::<S>()) {
            let mut left = [std::ptr::null(); MOST_ROWS];
            let mut out = [std::ptr::null_mut(); MOST_ROWS];
            for (i, line) in part.clone().map(|i| lines.start + i).enumerate() {
                left[i] = self.weights[line * depth..].as_ptr();
                out[i] = products.wrapping_add(line * nr);
            }
            let tile = Tile {
                offsets: &[0],
                left: Left::Rows(&left, MOST_ROWS),
                length: depth,
                left_step: 1,
                strips: 1,
                ahead_step: 0,
                far: false,
                ahead: std::ptr::null(),
                panel,
                prefetch: NEAR,
                out: &out[..part.len()],
                columns: width,
                accumulate: false,
                bias: None,
                bounds: Bounds::None,
            };
            // SAFETY: a row of the weights and the panel both have Cout steps; the rows of the products don't overlap.
            unsafe { tile.run(s) };
        }
    }

    /// Interleaves the planes into the task's rows of the gradient.
    #[inline(always)]
    fn interleave(&self, planes: &[f32], plane: usize) {
        let g = self.g;
        let [height, width] = g.input;
        let (cin, right) = (g.in_channels, g.conv.stride[1]);
        let first = (self.image * height + self.rows.start) * width * cin;
        // SAFETY: the gradient has the length that `Call` checked, and these rows of it belong to this task alone.
        let target =
            unsafe { std::slice::from_raw_parts_mut(self.dx.pointer().add(first), self.rows.len() * width * cin) };
        for (row, target) in target.chunks_exact_mut(width * cin).enumerate() {
            for channel in 0..cin {
                let lines = &planes[(row * cin + channel) * right * plane..][..right * plane];
                for (column, pixel) in target.chunks_exact_mut(cin).enumerate() {
                    let padded = column + g.conv.padding.left;
                    pixel[channel] = lines[padded % right * plane + padded / right];
                }
            }
        }
    }
}
