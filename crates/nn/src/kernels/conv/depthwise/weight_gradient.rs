//! The weight gradient of a depthwise convolution.
//!
//! The sums of a run of taps stay in registers, for two vectors of channels, while it walks along a row: each load of an
//! output gradient serves all taps of the run.

use std::ops::Range;

use super::runs::{LONGEST, Run, inside, runs};
use crate::ConvGeometry;
use crate::kernels::conv::sliding::{self, Window};
use crate::kernels::conv::sweep::{self, Sweep};
use crate::kernels::parallel::{Disjoint, for_each};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::balanced;
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

/// The rows of all images are summed in this many parts, whatever the number of threads, so that tasks can share them.
const SLICES: usize = 16;

/// `∂S/∂w[tap, c] = Σ_pixels x[pixel·stride + tap, c] · ∂S/∂y[pixel, c]`.
pub(super) fn weight_gradient(g: &ConvGeometry, tier: Tier, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let rows = g.batch * g.output[0];
    let slices: Vec<_> = balanced(rows, rows.div_ceil(SLICES)).collect();
    let sweep = Sweep::forward(g);
    let window = Window::new(g, &sweep, g.input[1]);
    let runs = runs(&sweep);
    let zeros = vec![0.0; g.in_channels];
    with_scratch(slices.len() * dw.len(), |sums| {
        sums.fill(0.0);
        let shared = Disjoint::new(sums);
        for_each(slices.len(), g.multiply_adds(), |i| {
            let sum = shared.pointer().wrapping_add(i * dw.len());
            dispatch_on(tier, Slice { g, runs: &runs, window, zeros: &zeros, x, dy, rows: slices[i].clone(), sum });
        });
        dw.fill(0.0);
        for slice in sums.chunks_exact(dw.len()) {
            dw.iter_mut().zip(slice).for_each(|(sum, &part)| *sum += part);
        }
    });
}

/// The sum over some rows, counted through all images.
struct Slice<'a> {
    g: &'a ConvGeometry,
    runs: &'a [Run],
    window: Option<Window>,
    zeros: &'a [f32],
    x: &'a [f32],
    dy: &'a [f32],
    rows: Range<usize>,
    sum: *mut f32,
}

impl Kernel for Slice<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { g, .. } = self;
        let channels = g.in_channels;
        for row in self.rows.clone() {
            let (image, y) = (row / g.output[0], row % g.output[0]);
            let size = g.input[0] * g.input[1] * channels;
            let x = &self.x[image * size..][..size];
            let line = g.output[1] * channels;
            let dy = &self.dy[row * line..][..line];
            if let Some(window) = &self.window {
                let rows = window.rows(x, y, g.input, channels, self.zeros);
                // SAFETY: `rows` are rows of the input or zeros, `dy` is a whole row, and the sum belongs to this task alone.
                unsafe { sliding::weight_gradient(s, window, rows, g.input[1], dy, g.output[1], self.sum, channels) };
                continue;
            }
            for run in &self.runs[inside(self.runs, y, g.conv.stride[0], g.input[0])] {
                let row = (y * g.conv.stride[0]).cast_signed() + run.offset[0];
                let first = row * g.input[1].cast_signed() + run.offset[1];
                let x = x.as_ptr().wrapping_offset(first * channels.cast_signed());
                let products = Products { g, run, x, dy: dy.as_ptr(), sum: self.sum };
                // SAFETY: the run's row lies inside the picture, `dy` is a whole row, and the sum is this task's alone.
                unsafe {
                    match run.taps {
                        4 => products.row::<S, 4>(s),
                        3 => products.row::<S, 3>(s),
                        2 => products.row::<S, 2>(s),
                        _ => products.row::<S, 1>(s),
                    }
                }
            }
        }
    }
}

/// The products of an output row with what a run reads for it.
struct Products<'a> {
    g: &'a ConvGeometry,
    run: &'a Run,
    /// The pixel that the first tap reads for the first output pixel; it may lie in the padding.
    x: *const f32,
    dy: *const f32,
    sum: *mut f32,
}

impl Products<'_> {
    /// Adds those of a run of `K` taps to the sums.
    ///
    /// # Safety
    /// All pixels of the row that lie inside the picture are readable, and so is the row of output gradients. The sums,
    /// `[Kh · Kw, C]`, belong to the caller alone.
    #[inline(always)]
    unsafe fn row<S: Simd, const K: usize>(&self, s: S) {
        let Self { g, run, .. } = self;
        let channels = g.in_channels;
        let mut columns = [(); LONGEST].map(|()| 0..0);
        for t in 0..K {
            let offset = run.offset[1] + t.cast_signed();
            columns[t] = sweep::inside(offset, g.conv.stride[1], g.input[1], g.output[1]);
        }
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            // SAFETY: no more channels are computed than remain; the caller guarantees the rest.
            unsafe {
                if left >= 2 * S::LANES {
                    self.vectors::<S, K, 2>(s, &columns, channel, 2 * S::LANES);
                    channel += 2 * S::LANES;
                } else {
                    let n = left.min(S::LANES);
                    self.vectors::<S, K, 1>(s, &columns, channel, n);
                    channel += n;
                }
            }
        }
    }

    /// `n` channels in `V` vectors; a single one may be partial. Tap `t` takes part in `columns[t]`.
    ///
    /// # Safety
    /// As for `row`, and there are `n` channels from `channel` on.
    #[inline(always)]
    unsafe fn vectors<S: Simd, const K: usize, const V: usize>(
        &self,
        s: S,
        columns: &[Range<usize>; LONGEST],
        channel: usize,
        n: usize,
    ) {
        let channels = self.g.in_channels;
        let step = self.g.conv.stride[1] * channels;
        let sum = |t: usize, v: usize| self.sum.wrapping_add(self.run.kernel[t] * channels + channel + v * S::LANES);
        // Between these, all taps take part: the first begins last, and the last ends first.
        let end = columns[K - 1].end;
        let start = columns[0].start.min(end);
        let outputs = self.g.output[1];
        // SAFETY: each load reads `n` channels of a pixel inside its row, or of a sum.
        unsafe {
            macro_rules! walk {
                ($load:expr, $store:expr) => {{
                    let mut total = [[s.zero(); V]; K];
                    for t in 0..K {
                        for v in 0..V {
                            total[t][v] = $load(sum(t, v).cast_const());
                        }
                    }
                    macro_rules! pixels {
                        ($columns:expr, $takes_part:expr) => {
                            for column in $columns {
                                let x = self.x.wrapping_add(column * step + channel);
                                let dy = self.dy.wrapping_add(column * channels + channel);
                                let mut d = [s.zero(); V];
                                for v in 0..V {
                                    d[v] = $load(dy.wrapping_add(v * S::LANES));
                                }
                                for t in 0..K {
                                    if $takes_part(t, column) {
                                        for v in 0..V {
                                            let value = $load(x.wrapping_add(t * channels + v * S::LANES));
                                            total[t][v] = s.fma(value, d[v], total[t][v]);
                                        }
                                    }
                                }
                            }
                        };
                    }
                    let some = |t: usize, column: usize| columns[t].contains(&column);
                    pixels!(0..start, some);
                    pixels!(start..end, |_, _| true);
                    pixels!(end..outputs, some);
                    for t in 0..K {
                        for v in 0..V {
                            $store(sum(t, v), total[t][v]);
                        }
                    }
                }};
            }
            if n == V * S::LANES {
                walk!(|p| s.load(p), |p, v| s.store(p, v));
            } else {
                walk!(|p| s.load_first(p, n), |p, v| s.store_first(p, v, n));
            }
        }
    }
}
