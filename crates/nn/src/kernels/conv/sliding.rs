//! Depthwise 3×3 convolution at stride 1, and its weight gradient, a row at a time.
//!
//! Vectors of channels slide along a row. Nine weights stay in registers, and so do the sums of the three targets that a
//! column of three source values belongs to: a column costs three loads for nine multiply–adds. For the weight gradient,
//! nine sums and three output gradients stay in registers, and a column costs four loads.
//!
//! Three rows of many channels are more streams than a processor prefetches on its own. So each step also prefetches a piece
//! of the row that the next output row needs.

use super::sweep::Sweep;
use crate::ConvGeometry;
use crate::kernels::bounds::Bounds;
use tensor::simd::Simd;

/// A sweep by nine neighbouring taps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The offset `[row, column]` of the first tap.
    first: [isize; 2],
    /// Which tap of the kernel stands at `[row][column]`.
    kernel: [[usize; 3]; 3],
}

impl Window {
    /// The window of a sweep over source rows of `width` pixels, if it is 3×3 at stride 1 and each target pixel reads at
    /// least one column of the source.
    pub(super) fn new(g: &ConvGeometry, sweep: &Sweep, width: usize) -> Option<Self> {
        if g.kernel != [3, 3] || g.conv.stride != [1, 1] || g.conv.dilation != [1, 1] {
            return None;
        }
        let first: [isize; 2] = [0, 1].map(|d| sweep.taps.iter().map(|tap| tap.offset[d]).min().unwrap_or(0));
        if first[1] < -2 || sweep.count[1].cast_signed() + first[1] > width.cast_signed() {
            return None;
        }
        let mut kernel = [[0; 3]; 3];
        for tap in &sweep.taps {
            let [row, column] = [0, 1].map(|d| (tap.offset[d] - first[d]).cast_unsigned());
            kernel[row][column] = tap.kernel;
        }
        Some(Self { first, kernel })
    }

    /// The source rows of target row `y`; a row of padding is `zeros` at every pixel.
    ///
    /// # Panics
    /// If the image doesn't hold the source's rows.
    #[inline(always)]
    pub(super) fn rows(
        &self,
        image: &[f32],
        y: usize,
        [height, width]: [usize; 2],
        channels: usize,
        zeros: &[f32],
    ) -> Rows {
        let line = width * channels;
        let mut rows = Rows { at: [zeros.as_ptr(); 3], step: [0; 3], next: zeros.as_ptr() };
        for r in 0..3_usize {
            let row = y.wrapping_add_signed(self.first[0] + r.cast_signed());
            if row < height {
                rows.at[r] = image[row * line..][..line].as_ptr();
                rows.step[r] = channels;
                rows.next = rows.at[r].wrapping_add(line);
            }
        }
        rows
    }
}

/// Three source rows.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    at: [*const f32; 3],
    /// The distance between neighbouring pixels.
    step: [usize; 3],
    /// The row that follows the last of them.
    next: *const f32,
}

/// One row of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) window: Window,
    pub(super) source: Rows,
    pub(super) source_width: usize,
    /// `[9, channels]`.
    pub(super) weights: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) bounds: Bounds,
    /// `width` pixels of `channels` values.
    pub(super) target: *mut f32,
    pub(super) width: usize,
    pub(super) channels: usize,
}

impl Row<'_> {
    /// `target = Σ source · weights + bias`, clipped to `bounds`.
    ///
    /// # Safety
    /// `source` is as [`Window::rows`] gives it, of pictures `source_width` pixels wide, with the same window; the row
    /// `target` belongs to the caller alone.
    #[inline(always)]
    pub(super) unsafe fn convolve<S: Simd>(&self, s: S) {
        // Two vectors need 18 registers for weights and six for sums.
        let two = S::REGISTERS >= 32;
        let mut channel = 0;
        while channel < self.channels {
            let left = self.channels - channel;
            // SAFETY: no more channels are computed than remain; the caller guarantees the rest.
            unsafe {
                if two && left >= 2 * S::LANES {
                    self.slide::<S, 2>(s, channel, 2 * S::LANES);
                    channel += 2 * S::LANES;
                } else {
                    let n = left.min(S::LANES);
                    self.slide::<S, 1>(s, channel, n);
                    channel += n;
                }
            }
        }
    }

    /// `n` channels, in `V` vectors; a single one may be partial.
    ///
    /// # Safety
    /// As for `convolve`, and there are `n` channels from `channel` on.
    #[inline(always)]
    unsafe fn slide<S: Simd, const V: usize>(&self, s: S, channel: usize, n: usize) {
        let full = n == V * S::LANES;
        // SAFETY: each load reads `n` channels of a pixel inside the source's row, of the weights or of the bias.
        unsafe {
            let load = |p: *const f32, v: usize| {
                let p = p.wrapping_add(v * S::LANES);
                if full { s.load(p) } else { s.load_first(p, n) }
            };
            let mut weights = [[[s.zero(); V]; 3]; 3];
            for (r, c) in (0..9).map(|i| (i / 3, i % 3)) {
                let tap = self.weights.as_ptr().wrapping_add(self.window.kernel[r][c] * self.channels + channel);
                for v in 0..V {
                    weights[r][c][v] = load(tap, v);
                }
            }
            let mut bias = [s.zero(); V];
            if let Some(values) = self.bias {
                for v in 0..V {
                    bias[v] = load(values.as_ptr().wrapping_add(channel), v);
                }
            }
            // The present column is the right one of target `x`, whose sum it completes, the middle of the next target's
            // and the left of the one after.
            let leading = self.window.first[1];
            let start = leading.max(0);
            let end = (self.width.cast_signed() + 2 + leading).min(self.source_width.cast_signed());
            let mut at = self.source.at;
            for r in 0..3 {
                at[r] = at[r].wrapping_add(start.cast_unsigned() * self.source.step[r] + channel);
            }
            let mut x = start - leading - 2;
            let mut sums = [bias; 2];
            for _ in start..end {
                let mut third = bias;
                for r in 0..3 {
                    for v in 0..V {
                        let value = load(at[r], v);
                        sums[0][v] = s.fma(value, weights[r][2][v], sums[0][v]);
                        sums[1][v] = s.fma(value, weights[r][1][v], sums[1][v]);
                        third[v] = s.fma(value, weights[r][0][v], third[v]);
                    }
                    at[r] = at[r].wrapping_add(self.source.step[r]);
                }
                self.put(s, x, channel, n, sums[0]);
                sums = [sums[1], third];
                x += 1;
            }
            self.put(s, x, channel, n, sums[0]);
            self.put(s, x + 1, channel, n, sums[1]);
        }
    }

    /// Writes `n` channels of the target pixel `x`, if there is such a pixel.
    ///
    /// # Safety
    /// As for `slide`.
    #[inline(always)]
    unsafe fn put<S: Simd, const V: usize>(&self, s: S, x: isize, channel: usize, n: usize, sum: [S::V; V]) {
        if !(0..self.width.cast_signed()).contains(&x) {
            return;
        }
        let p = self.target.wrapping_add(x.cast_unsigned() * self.channels + channel);
        for v in 0..V {
            let value = self.bounds.apply(s, sum[v]);
            let p = p.wrapping_add(v * S::LANES);
            // SAFETY: the pixel lies inside the row, which belongs to the caller.
            unsafe { if n == V * S::LANES { s.store(p, value) } else { s.store_first(p, value, n) } }
        }
    }
}

/// Adds one row's part of the weight gradient to `sum`, `[9, channels]`.
///
/// # Safety
/// `source` is as [`Window::rows`] gives it, of pictures of `channels` channels and `source_width` pixels wide, with the same
/// window; the row `dy` holds `width` pixels; `sum`, `[9, channels]`, belongs to the caller alone.
#[inline(always)]
pub(super) unsafe fn weight_gradient<S: Simd>(
    s: S,
    window: &Window,
    source: Rows,
    source_width: usize,
    dy: &[f32],
    width: usize,
    sum: *mut f32,
    channels: usize,
) {
    let mut next = [source.next, dy.as_ptr().wrapping_add(width * channels)];
    let mut channel = 0;
    while channel < channels {
        let n = S::LANES.min(channels - channel);
        let place = |r: usize, c: usize| sum.wrapping_add(window.kernel[r][c] * channels + channel);
        let mut total = [[s.zero(); 3]; 3];
        for (r, c) in (0..9).map(|i| (i / 3, i % 3)) {
            // SAFETY: there are `n` channels from `channel` on.
            total[r][c] = unsafe { s.load_first(place(r, c), n) };
        }
        let leading = window.first[1];
        let mut column = leading.max(0);
        let inside = (width.cast_signed() + 2 + leading).min(source_width.cast_signed());
        let mut at = [source.at[0], source.at[1], source.at[2]];
        for r in 0..3 {
            at[r] = at[r].wrapping_add(column.cast_unsigned() * source.step[r] + channel);
        }
        // The output gradients that see the present column as their right, their middle and their left one.
        let gradient = |x: isize| {
            if !(0..width.cast_signed()).contains(&x) {
                return s.zero();
            }
            // SAFETY: inside the row, with `n` channels.
            unsafe { s.load_first(dy.as_ptr().add(x.cast_unsigned() * channels + channel), n) }
        };
        let mut left = column - leading;
        let mut d = [gradient(left - 2), gradient(left - 1)];
        let mut ahead = dy.as_ptr().wrapping_offset(left * channels.cast_signed()).wrapping_add(channel);
        macro_rules! slide {
            ($load:expr) => {
                while column < inside {
                    // SAFETY: the column lies inside the picture, and the output gradient inside the row.
                    unsafe {
                        let x = [$load(at[0]), $load(at[1]), $load(at[2])];
                        let third = if left < width.cast_signed() { $load(ahead) } else { s.zero() };
                        for r in 0..3 {
                            total[r][2] = s.fma(x[r], d[0], total[r][2]);
                            total[r][1] = s.fma(x[r], d[1], total[r][1]);
                            total[r][0] = s.fma(x[r], third, total[r][0]);
                            at[r] = at[r].wrapping_add(source.step[r]);
                        }
                        d = [d[1], third];
                    }
                    s.prefetch(next[0]);
                    s.prefetch(next[1]);
                    next = next.map(|next| next.wrapping_add(S::LANES));
                    ahead = ahead.wrapping_add(channels);
                    left += 1;
                    column += 1;
                }
            };
        }
        if n == S::LANES {
            slide!(|p: *const f32| s.load(p));
        } else {
            slide!(|p: *const f32| s.load_first(p, n));
        }
        for (r, c) in (0..9).map(|i| (i / 3, i % 3)) {
            // SAFETY: as above, and the sum is the caller's alone.
            unsafe { s.store_first(place(r, c), total[r][c], n) };
        }
        channel += n;
    }
}
