//! Depthwise convolution: every channel has its own kernel, so vectors run over channels and nothing is broadcast.
//!
//! A tile of four neighbouring pixels by two vectors of channels shares each load of the weights. Pixels of a row whose
//! window reaches into the padding at the left or right are computed one by one, with the taps that remain; rows of taps
//! above or below the picture are left out. The input gradient is the same walk by other taps (`Sweep`). 3×3 kernels at
//! stride 1 slide along rows instead.
//!
//! Three multiply–adds for each value read are few: the memory sets the pace.

use std::ops::Range;

use super::sliding::{self, Row, Window};
use super::sweep::{Sweep, Tap, inside};
use crate::ConvGeometry;
use crate::kernels::finish::Target;
use crate::kernels::parallel::{Disjoint, for_each, wanted_tasks};
use crate::kernels::pass::{Call, Convolve, Facts, Pass};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::balanced;
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

pub(super) const FACTS: Facts = Facts {
    name: "depthwise",
    supports: |g| g.conv.groups == g.in_channels && g.in_channels == g.out_channels,
    suits: |g, _| g.in_channels > 1,
    forward: Some(|g, tier| Box::new(Depthwise::new(g, Pass::Forward, tier))),
    input_gradient: Some(|g, tier| Box::new(Depthwise::new(g, Pass::InputGradient, tier))),
    weight_gradient: Some(weight_gradient),
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
        let Call { g, source, bias, relu, target, .. } = call;
        let [from, to] = if self.pass == Pass::Forward { [g.input, g.output] } else { [g.output, g.input] };
        let sweeps = Sweep::all(g, self.pass);
        // Only a single sweep slides: that of stride 1.
        let window = Window::new(g, &sweeps[0], from[1]);
        let (channels, weights, zeros) = (g.in_channels, &self.weights[..], &self.zeros[..]);
        let walk = Walk { from, to, channels, window, weights, zeros, source, bias, relu, target };
        for sweep in &sweeps {
            let rows = g.batch * sweep.count[0];
            let work = (rows * sweep.count[1] * sweep.taps.len() * channels) as u64;
            let parts: Vec<_> = balanced(rows, rows.div_ceil(wanted_tasks(work))).collect();
            for_each(parts.len(), work, |i| {
                dispatch_on(self.tier, Rows { walk: &walk, sweep, rows: parts[i].clone() });
            });
        }
    }
}

/// One call: what its sweeps share.
struct Walk<'a> {
    /// Extents of the source's pictures.
    from: [usize; 2],
    /// Extents of the target's.
    to: [usize; 2],
    channels: usize,
    window: Option<Window>,
    weights: &'a [f32],
    zeros: &'a [f32],
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    relu: bool,
    target: Target<'a>,
}

/// Some rows of a sweep, counted through all images.
struct Rows<'a> {
    walk: &'a Walk<'a>,
    sweep: &'a Sweep,
    rows: Range<usize>,
}

/// A tap: its distance from the image's start, for the row's pixel 0, and where its weights start.
type Reads = (isize, usize);

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { walk, sweep, .. } = self;
        if let Some(window) = walk.window {
            return self.slide(s, window);
        }
        let [height, width] = walk.from;
        let columns = |tap: &Tap| inside(tap.offset[1], sweep.step[1], width, sweep.count[1]);
        let mut reads: Vec<Reads> = Vec::with_capacity(sweep.taps.len());
        let mut remaining: Vec<Reads> = Vec::with_capacity(sweep.taps.len());
        let mut taps: Vec<&Tap> = Vec::with_capacity(sweep.taps.len());
        for row in self.rows.clone() {
            let (image, y) = (row / sweep.count[0], row % sweep.count[0]);
            let source_row = |tap: &Tap| (y * sweep.step[0]).cast_signed() + tap.offset[0];
            let values = |pixel: isize| pixel * walk.channels.cast_signed();
            taps.clear();
            taps.extend(sweep.taps.iter().filter(|tap| (0..height.cast_signed()).contains(&source_row(tap))));
            reads.clear();
            reads.extend(taps.iter().map(|tap| {
                (values(source_row(tap) * width.cast_signed() + tap.offset[1]), tap.kernel * walk.channels)
            }));
            let interior = taps.iter().map(|tap| columns(tap)).fold(0..sweep.count[1], |a, b| {
                let start = a.start.max(b.start);
                start..a.end.min(b.end).max(start)
            });
            let place = Place { image, y };
            let mut x = 0;
            while x < sweep.count[1] {
                if interior.contains(&x) {
                    let pixels = (interior.end - x).min(4);
                    self.pixels(s, place, x, pixels, &reads);
                    x += pixels;
                } else {
                    remaining.clear();
                    let there = taps.iter().zip(&reads).filter(|(tap, _)| columns(tap).contains(&x));
                    remaining.extend(there.map(|(_, reads)| *reads));
                    self.pixels(s, place, x, 1, &remaining);
                    x += 1;
                }
            }
            if sweep.spacing == [1, 1] {
                let out = walk.target.pointer().wrapping_add(row * walk.to[1] * walk.channels);
                // SAFETY: a sweep without gaps has whole rows, and this one belongs to this task alone.
                unsafe { walk.target.complete_pixels(S::TIER, out, walk.to[1], walk.channels) };
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    image: usize,
    y: usize,
}

impl Rows<'_> {
    /// The rows one by one, each by sliding along it.
    #[inline(always)]
    fn slide<S: Simd>(&self, s: S, window: Window) {
        let Walk { source, bias, relu, weights, zeros, .. } = *self.walk;
        let walk = self.walk;
        let [height, width] = walk.to;
        let size = walk.from[0] * walk.from[1] * walk.channels;
        for row in self.rows.clone() {
            let image = &source[row / height * size..][..size];
            let row = Row {
                window,
                source: window.rows(image, row % height, walk.from, walk.channels, zeros),
                source_width: walk.from[1],
                weights,
                bias,
                relu,
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

    /// All channels of up to four neighbouring pixels that read the same taps.
    #[inline(always)]
    fn pixels<S: Simd>(&self, s: S, place: Place, x: usize, pixels: usize, reads: &[Reads]) {
        match pixels {
            4 => self.channels::<S, 4>(s, place, x, reads),
            3 => self.channels::<S, 3>(s, place, x, reads),
            2 => self.channels::<S, 2>(s, place, x, reads),
            _ => self.channels::<S, 1>(s, place, x, reads),
        }
    }

    #[inline(always)]
    fn channels<S: Simd, const R: usize>(&self, s: S, place: Place, x: usize, reads: &[Reads]) {
        let Self { walk, sweep, .. } = self;
        let size = walk.from[0] * walk.from[1] * walk.channels;
        let image = self.walk.source[place.image * size..].as_ptr().wrapping_add(x * sweep.step[1] * walk.channels);
        let first = place.image * walk.to[0] * walk.to[1] + sweep.target([place.y, x], walk.to[1]);
        let out = self.walk.target.pointer().wrapping_add(first * walk.channels);
        let mut channel = 0;
        while channel < walk.channels {
            let left = walk.channels - channel;
            // SAFETY: every tap of `reads` lies inside the image for these R pixels, and no more channels are read than
            // remain; the target pixels belong to this task alone.
            unsafe {
                if left >= 2 * S::LANES {
                    self.tile::<S, R, 2>(s, image, out, channel, 2 * S::LANES, reads);
                    channel += 2 * S::LANES;
                } else {
                    let n = left.min(S::LANES);
                    self.tile::<S, R, 1>(s, image, out, channel, n, reads);
                    channel += n;
                }
            }
        }
    }

    /// `n` channels of `R` pixels, in `V` vectors; a single one may be partial.
    ///
    /// # Safety
    /// Every tap of every pixel has `n` channels from `channel` on, and so has every target pixel, which belongs to the
    /// caller alone.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        image: *const f32,
        out: *mut f32,
        channel: usize,
        n: usize,
        reads: &[Reads],
    ) {
        let Self { walk, sweep, .. } = self;
        let source_step = sweep.step[1] * walk.channels;
        let target_step = sweep.spacing[1] * walk.channels;
        let weights = walk.weights.as_ptr();
        let full = n == V * S::LANES;
        // SAFETY: as above; there is one weight and one bias for each channel.
        unsafe {
            let load = |p: *const f32| if full { s.load(p) } else { s.load_first(p, n) };
            let mut sum = [[s.zero(); V]; R];
            if let Some(bias) = walk.bias {
                for v in 0..V {
                    let start = load(bias.as_ptr().add(channel + v * S::LANES));
                    for i in 0..R {
                        sum[i][v] = start;
                    }
                }
            }
            for &(at, weight) in reads {
                let source = image.wrapping_offset(at).add(channel);
                for v in 0..V {
                    let w = load(weights.add(weight + channel + v * S::LANES));
                    for i in 0..R {
                        let x = load(source.add(i * source_step + v * S::LANES));
                        sum[i][v] = s.fma(x, w, sum[i][v]);
                    }
                }
            }
            for i in 0..R {
                for v in 0..V {
                    let value = if walk.relu { s.max(s.zero(), sum[i][v]) } else { sum[i][v] };
                    let p = out.add(i * target_step + channel + v * S::LANES);
                    if full { s.store(p, value) } else { s.store_first(p, value, n) }
                }
            }
        }
    }
}

/// The rows of all images are summed in this many parts, whatever the number of threads, so that tasks can share them.
const SLICES: usize = 16;

/// `∂S/∂w[tap, c] = Σ_pixels x[pixel·stride + tap, c] · ∂S/∂y[pixel, c]`.
fn weight_gradient(g: &ConvGeometry, tier: Tier, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let rows = g.batch * g.output[0];
    let slices: Vec<_> = balanced(rows, rows.div_ceil(SLICES)).collect();
    let sweep = Sweep::forward(g);
    let window = Window::new(g, &sweep, g.input[1]);
    let zeros = vec![0.0; g.in_channels];
    with_scratch(slices.len() * dw.len(), |sums| {
        sums.fill(0.0);
        let shared = Disjoint::new(sums);
        for_each(slices.len(), g.multiply_adds(), |i| {
            let sum = shared.pointer().wrapping_add(i * dw.len());
            dispatch_on(tier, Slice { g, sweep: &sweep, window, zeros: &zeros, x, dy, rows: slices[i].clone(), sum });
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
    sweep: &'a Sweep,
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
        let Self { g, sweep, .. } = self;
        let channels = g.in_channels;
        for row in self.rows.clone() {
            let (image, y) = (row / g.output[0], row % g.output[0]);
            if let Some(window) = &self.window {
                let size = g.input[0] * g.input[1] * channels;
                let rows = window.rows(&self.x[image * size..][..size], y, g.input, channels, self.zeros);
                let line = g.output[1] * channels;
                let dy = &self.dy[row * line..][..line];
                // SAFETY: `rows` are rows of the input or zeros, `dy` is a whole row, and the sum belongs to this task alone.
                unsafe { sliding::weight_gradient(s, window, rows, g.input[1], dy, g.output[1], self.sum, channels) };
                continue;
            }
            for tap in &sweep.taps {
                let columns = inside(tap.offset[1], sweep.step[1], g.input[1], g.output[1]);
                let Some(first) =
                    (!columns.is_empty()).then(|| sweep.source([y, columns.start], tap, g.input)).flatten()
                else {
                    continue;
                };
                let pixels = columns.len();
                let x = &self.x[(image * g.input[0] * g.input[1] + first) * channels..];
                let dy = &self.dy[(row * g.output[1] + columns.start) * channels..];
                let mut channel = 0;
                while channel < channels {
                    let left = channels - channel;
                    // SAFETY: the tap reads inside the image for all of `columns`, and so many channels remain; the sum,
                    // `[Kh · Kw, C]`, belongs to this task alone.
                    unsafe {
                        let (x, dy) = (x.as_ptr().add(channel), dy.as_ptr().add(channel));
                        let sum = self.sum.add(tap.kernel * channels + channel);
                        let steps = [g.conv.stride[1] * channels, channels];
                        if left >= 4 * S::LANES {
                            products::<S, 4>(s, [x, dy], steps, pixels, 4 * S::LANES, sum);
                            channel += 4 * S::LANES;
                        } else {
                            let n = left.min(S::LANES);
                            products::<S, 1>(s, [x, dy], steps, pixels, n, sum);
                            channel += n;
                        }
                    }
                }
            }
        }
    }
}

/// Adds to `sum` the products of `n` channels along pixels, in `V` vectors; a single one may be partial.
///
/// # Safety
/// Both operands have `n` channels at each of `pixels` steps; `sum` has `n`, which belong to the caller alone.
#[inline(always)]
unsafe fn products<S: Simd, const V: usize>(
    s: S,
    [mut x, mut dy]: [*const f32; 2],
    steps: [usize; 2],
    pixels: usize,
    n: usize,
    sum: *mut f32,
) {
    let full = n == V * S::LANES;
    // SAFETY: the caller guarantees it.
    unsafe {
        let load = |p: *const f32| if full { s.load(p) } else { s.load_first(p, n) };
        let mut total = [s.zero(); V];
        for v in 0..V {
            total[v] = load(sum.add(v * S::LANES));
        }
        for _ in 0..pixels {
            for v in 0..V {
                total[v] = s.fma(load(x.add(v * S::LANES)), load(dy.add(v * S::LANES)), total[v]);
            }
            (x, dy) = (x.wrapping_add(steps[0]), dy.wrapping_add(steps[1]));
        }
        for v in 0..V {
            let p = sum.add(v * S::LANES);
            if full { s.store(p, total[v]) } else { s.store_first(p, total[v], n) }
        }
    }
}
