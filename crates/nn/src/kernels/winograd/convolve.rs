//! The convolution itself: blocks of tiles, each transformed, multiplied and transformed back while it is in the cache.

use std::marker::PhantomData;
use std::ops::Range;

use super::lift::{Lift, Panels, Source};
use super::product::{Left, multiply};
use super::scheme::{Scheme, both_ways};
use super::tiles::Pictures;
use super::weights::part_step;
use crate::kernels::bounds::Bounds;
use crate::kernels::finish::Target;
use crate::kernels::parallel::{Disjoint, for_each};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::{columns, part};
use tensor::simd::{Kernel, LINE, Simd};

/// `y = Aᵀ[U ⊙ (Bᵀ x B)]A + bias` over every tile of a batch, clipped to `bounds`.
#[derive(Clone, Copy)]
pub(super) struct Convolve<'a> {
    pub(super) images: usize,
    pub(super) source: Source<'a>,
    pub(super) target: Pictures,
    /// The transformed weights.
    pub(super) u: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) bounds: Bounds,
}

/// Output pixels of a tile, at most.
const MOST_PIXELS: usize = 16;

/// How the work is divided, which doesn't affect the result.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The limit of a block's tiles.
    tiles: usize,
    /// Panels of output channels whose products are transformed back together.
    panels: usize,
    /// Whether threads share a block's transformed input and split its panels, instead of taking a block each.
    shared: bool,
}

impl Plan {
    /// A block's products with two panels (36 parts of 48 × 32 values: 216 KiB) stay in a second-level cache of half a
    /// megabyte, beside one part of its transformed input. Weights that don't fit into that cache are read from further away
    /// for every block, so blocks are then twice as large.
    fn new<S: Simd>(parts: usize, tiles: usize, [in_channels, out_channels]: [usize; 2]) -> Self {
        const LARGE: usize = 1 << 19;
        let most = if parts * in_channels * out_channels > LARGE { 96 } else { 48 };
        let threads = rayon::current_num_threads();
        let few = tiles < most * threads;
        Self {
            // Every thread gets the same number of blocks.
            tiles: if few { most } else { tiles.div_ceil(tiles.div_ceil(most * threads) * threads) },
            panels: if few { 1 } else { 2.min(out_channels.div_ceil(columns::<S>())) },
            shared: few && threads > 1,
        }
    }
}

impl Convolve<'_> {
    pub(super) fn run<S: Simd, C: Scheme<A, M>, const A: usize, const M: usize>(self, s: S, y: Target<'_>) {
        let channels @ [in_channels, out_channels] = [self.source.pictures.channels, self.target.channels];
        assert_eq!(self.source.pixels.len(), self.source.pictures.len(self.images), "values of the input");
        assert_eq!(y.len(), self.target.len(self.images), "values of the output");
        assert_eq!(self.u.len(), super::weights::len::<S>(A * A, channels), "values of the transformed weights");
        assert!(self.bias.is_none_or(|bias| bias.len() == out_channels), "values of the bias");
        assert!(self.source.zeros.len() >= in_channels, "a pixel of zeros");
        let tiles = self.images * self.source.grid.per_image();
        let plan = Plan::new::<S>(A * A, tiles, channels);
        let panels = Panels::new::<S>(plan.tiles, in_channels);
        let products = Products::new::<S>(A * A, plan);
        let job = Job { convolve: self, panels, products, y };

        let blocks = tiles.div_ceil(plan.tiles);
        let block = |i: usize| part(tiles, blocks, i);
        let strips = out_channels.div_ceil(columns::<S>());
        let chunks = strips.div_ceil(plan.panels);
        let chunk = |i: usize| i * plan.panels..strips.min((i + 1) * plan.panels);
        let (lifted, multiplied) = (panels.len(A * A), products.len());
        let work = (A * A) as u64 * (in_channels * out_channels) as u64;
        if plan.shared {
            with_scratch(lifted, |v| {
                let v = Disjoint::new(v);
                for block in (0..blocks).map(block) {
                    let work = work * block.len() as u64;
                    for_each(block.len(), work, |i| {
                        let tile = block.start + i;
                        job.lift::<S, C, A, M>(s, tile..tile + 1, block.start, v);
                    });
                    for_each(chunks, work, |i| {
                        with_scratch(multiplied, |m| {
                            job.multiply::<S, C, A, M>(s, block.clone(), chunk(i), v, Disjoint::new(m));
                        });
                    });
                }
            });
        } else {
            for_each(blocks, work * tiles as u64, |i| {
                with_scratch(lifted + multiplied, |scratch| {
                    let (v, m) = scratch.split_at_mut(lifted);
                    let (v, m) = (Disjoint::new(v), Disjoint::new(m));
                    job.lift::<S, C, A, M>(s, block(i), block(i).start, v);
                    for chunk in (0..chunks).map(chunk) {
                        job.multiply::<S, C, A, M>(s, block(i), chunk, v, m);
                    }
                });
            });
        }
    }
}

/// Where the products of a block lie: `[tiles][A²][panels]`, then room for outputs outside the picture.
#[derive(Clone, Copy)]
struct Products {
    tiles: usize,
    tile: usize,
    part: usize,
}

impl Products {
    fn new<S: Simd>(parts: usize, plan: Plan) -> Self {
        let part = plan.panels * columns::<S>();
        Self { tiles: plan.tiles, part, tile: parts * part + LINE }
    }

    fn len(&self) -> usize {
        self.tiles * self.tile + self.part
    }
}

/// The operands that all steps of a block share.
#[derive(Clone, Copy)]
struct Job<'a> {
    convolve: Convolve<'a>,
    panels: Panels,
    products: Products,
    y: Target<'a>,
}

impl Job<'_> {
    /// Transforms the input of a range of tiles of the block that begins with the tile `first`.
    fn lift<S: Simd, C: Scheme<A, M>, const A: usize, const M: usize>(
        &self,
        s: S,
        tiles: Range<usize>,
        first: usize,
        to: Disjoint<'_>,
    ) {
        let Convolve { source, .. } = self.convolve;
        s.vectorize(Lift::<C::Input, A, A> { map: PhantomData, source, tiles, panels: self.panels, to, first });
    }

    /// Multiplies a block by a range of panels of the weights, and transforms the products back.
    fn multiply<S: Simd, C: Scheme<A, M>, const A: usize, const M: usize>(
        &self,
        s: S,
        tiles: Range<usize>,
        chunk: Range<usize>,
        v: Disjoint<'_>,
        m: Disjoint<'_>,
    ) {
        s.vectorize(Multiply::<A> { job: self, tiles: tiles.len(), chunk: chunk.clone(), v, m });
        s.vectorize(Lower::<C, A, M> { scheme: PhantomData, job: self, tiles, chunk, m });
    }
}

/// The A² products of a block and the panels `chunk` of the weights.
struct Multiply<'a, const A: usize> {
    job: &'a Job<'a>,
    tiles: usize,
    chunk: Range<usize>,
    v: Disjoint<'a>,
    m: Disjoint<'a>,
}

/// Steps of a product that are computed at a time: 16 KiB of a panel stay in the first-level cache, beside their rows.
const DEPTH: usize = 256;

impl<const A: usize> Kernel for Multiply<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Job { convolve, panels, products, .. } = *self.job;
        let in_channels = convolve.source.pictures.channels;
        let width = columns::<S>();
        let step = part_step::<S>(in_channels);
        for part in 0..A * A {
            for from in (0..in_channels).step_by(DEPTH) {
                for panel in self.chunk.clone() {
                    // SAFETY: `v` holds the lifted tiles, `u` every panel, and `m` has room for all products of the
                    // tiles with the chunk; no other task writes to `m`.
                    unsafe {
                        let a = self.v.pointer().add(part * panels.part + from / width * panels.panel);
                        let a = Left { start: a, panel_step: panels.panel };
                        let b = convolve.u.as_ptr().add((panel * A * A + part) * step + from * width);
                        let c = self.m.pointer().add(part * products.part + (panel - self.chunk.start) * width);
                        let depth = DEPTH.min(in_channels - from);
                        multiply::<S, false>(s, self.tiles, depth, a, b, c, products.tile, from > 0);
                    }
                }
            }
        }
    }
}

/// The transform of products back to outputs: the channels of `chunk` in a range of tiles.
struct Lower<'a, C, const A: usize, const M: usize> {
    scheme: PhantomData<C>,
    job: &'a Job<'a>,
    tiles: Range<usize>,
    chunk: Range<usize>,
    m: Disjoint<'a>,
}

impl<C: Scheme<A, M>, const A: usize, const M: usize> Kernel for Lower<'_, C, A, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Job { convolve: Convolve { source, target, bias, bounds, .. }, products, y, .. } = *self.job;
        let first = self.chunk.start * columns::<S>();
        let channels = target.channels.min(self.chunk.end * columns::<S>()) - first;
        // Outputs outside the picture are written past the products.
        let outside = self.m.pointer().wrapping_add(products.tiles * products.tile).wrapping_sub(first);
        for (i, tile) in self.tiles.clone().enumerate() {
            let pixels = target.window::<M>(y.pointer(), source.grid.corner(tile), outside);
            for channel in (0..channels).step_by(S::LANES) {
                let left = channels - channel;
                // SAFETY: `m` holds the products of these tiles and channels. A pixel has `channels` values from
                // `first` on, as has the room outside; no other task writes these tiles' channels of `y`, or to `m`.
                unsafe {
                    let bias = match bias {
                        Some(bias) => s.load_first(bias.as_ptr().add(first + channel), left.min(S::LANES)),
                        None => s.zero(),
                    };
                    let m = self.m.pointer().add(i * products.tile + channel);
                    both_ways::<S, C::Output, A, M>(
                        s,
                        #[inline(always)]
                        |r, c| s.load(m.add((r * A + c) * products.part)),
                        #[inline(always)]
                        |r, c, v| {
                            let v = bounds.apply(s, s.add(v, bias));
                            let p = pixels[r][c].cast_mut().wrapping_add(first + channel);
                            if left >= S::LANES { s.store(p, v) } else { s.store_first(p, v, left) }
                        },
                    );
                }
            }
            let mut inside = [std::ptr::null_mut(); MOST_PIXELS];
            let mut count = 0;
            for &pixel in pixels.as_flattened().iter().filter(|&&pixel| !std::ptr::eq(pixel, outside)) {
                inside[count] = pixel.cast_mut();
                count += 1;
            }
            // SAFETY: these channels of the pixels inside the picture belong to this task alone.
            unsafe { y.complete(S::TIER, &inside[..count], first..first + channels) };
        }
    }
}
