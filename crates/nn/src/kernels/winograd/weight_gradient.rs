//! The gradient by the weights, `∂g = Gᵀ[Σ (Bᵀ d B) ⊙ (A ∂y Aᵀ)]G`, the sum over every tile of the batch.

use std::marker::PhantomData;

use super::lift::{Lift, Panels, Source};
use super::product::{Left, multiply};
use super::scheme::{Scheme, both_ways};
use crate::kernels::parallel::{Disjoint, for_each};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::columns;
use tensor::simd::{Kernel, LINE, Simd};

/// The operands of a weight gradient.
#[derive(Clone, Copy)]
pub(super) struct WeightGradient<'a> {
    pub(super) images: usize,
    /// The input.
    pub(super) x: Source<'a>,
    /// The gradient by the output.
    pub(super) dy: Source<'a>,
}

/// Tiles of a block. With long blocks the sums, 36·Cin·Cout values, are read and written less often; with short ones the
/// transformed windows, 36·(Cin + Cout) values for each tile, stay in the cache.
const TILES: usize = 128;
/// Tiles that a task transforms.
const LIFTED: usize = 8;

impl WeightGradient<'_> {
    /// `dw: [3, 3, Cin, Cout]`.
    pub(super) fn run<S: Simd, C: Scheme<A, M>, const A: usize, const M: usize>(self, s: S, dw: &mut [f32]) {
        let [ins, outs] = [self.x.pictures.channels, self.dy.pictures.channels];
        for source in [self.x, self.dy] {
            assert_eq!(source.pixels.len(), source.pictures.len(self.images), "values of an operand");
            assert!(source.zeros.len() >= source.pictures.channels, "a pixel of zeros");
        }
        assert_eq!(dw.len(), 9 * ins * outs, "values of the weights' gradient");
        let tiles = self.images * self.x.grid.per_image();
        if tiles == 0 {
            dw.fill(0.0);
            return;
        }
        let most = tiles.min(TILES);
        let sums = Sums::new::<S>(ins, outs);
        let (v_panels, z_panels) = (Panels::new::<S>(most, ins), Panels::new::<S>(most, outs));
        let (v_len, z_len) = (v_panels.len(A * A), z_panels.len(A * A));
        with_scratch(sums.part * A * A + v_len + z_len, |scratch| {
            let (sum, scratch) = scratch.split_at_mut(sums.part * A * A);
            let (v, z) = scratch.split_at_mut(v_len);
            let (sum, v, z) = (Disjoint::new(sum), Disjoint::new(v), Disjoint::new(z));
            for first in (0..tiles).step_by(most) {
                let block = first..tiles.min(first + most);
                let work = (block.len() * A * A) as u64 * (ins * outs) as u64;
                for_each(block.len().div_ceil(LIFTED), work, |i| {
                    let tiles = first + i * LIFTED..block.end.min(first + (i + 1) * LIFTED);
                    let (x, dy) = (self.x, self.dy);
                    s.vectorize(Lift::<C::Input, A, A> {
                        map: PhantomData,
                        source: x,
                        tiles: tiles.clone(),
                        panels: v_panels,
                        to: v,
                        first,
                    });
                    s.vectorize(Lift::<C::OutputTransposed, M, A> {
                        map: PhantomData,
                        source: dy,
                        tiles,
                        panels: z_panels,
                        to: z,
                        first,
                    });
                });
                // A task is a part and a panel of `Cin`.
                let strips = ins.div_ceil(columns::<S>());
                for_each(A * A * strips, work, |i| {
                    let (part, strip) = (i / strips, i % strips);
                    let depth = block.len();
                    s.vectorize(Outer { v, v_panels, z, z_panels, depth, sum, sums, part, strip, more: first > 0 });
                });
            }
            let (work, dw) = ((ins * outs * A * A) as u64, Disjoint::new(dw));
            for_each(ins, work, |channel| {
                s.vectorize(Lower::<C, A, M> { scheme: PhantomData, sum, sums, channel, dw });
            });
        });
    }
}

/// Where the sums over tiles lie: `[A²][Cin][Cout]`, with `Cout` rounded up to whole panels.
#[derive(Clone, Copy)]
struct Sums {
    channels: [usize; 2],
    row: usize,
    part: usize,
}

impl Sums {
    fn new<S: Simd>(ins: usize, outs: usize) -> Self {
        let row = outs.next_multiple_of(columns::<S>());
        Self { channels: [ins, outs], row, part: ins * row + LINE }
    }
}

/// `sum (+)= Vᵀ Z` of one part and one panel of input channels, over the tiles of a block.
struct Outer<'a> {
    v: Disjoint<'a>,
    v_panels: Panels,
    z: Disjoint<'a>,
    z_panels: Panels,
    /// Tiles.
    depth: usize,
    sum: Disjoint<'a>,
    sums: Sums,
    part: usize,
    strip: usize,
    /// Whether to add to the present values of the sums.
    more: bool,
}

impl Kernel for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { v_panels, z_panels, sums, part, strip, .. } = self;
        let width = columns::<S>();
        let [ins, outs] = sums.channels;
        let first = strip * width;
        let rows = width.min(ins - first);
        for panel in 0..outs.div_ceil(width) {
            // SAFETY: both operands hold the block's tiles, and this task alone writes these rows of this part.
            unsafe {
                let a = self.v.pointer().add(part * v_panels.part + strip * v_panels.panel);
                let b = self.z.pointer().add(part * z_panels.part + panel * z_panels.panel);
                let c = self.sum.pointer().add(part * sums.part + first * sums.row + panel * width);
                let a = Left { start: a, panel_step: 0 };
                multiply::<S, true>(s, rows, self.depth, a, b, c, sums.row, self.more);
            }
        }
    }
}

/// `Gᵀ sum G` of one input channel.
struct Lower<'a, C, const A: usize, const M: usize> {
    scheme: PhantomData<C>,
    sum: Disjoint<'a>,
    sums: Sums,
    channel: usize,
    dw: Disjoint<'a>,
}

impl<C: Scheme<A, M>, const A: usize, const M: usize> Kernel for Lower<'_, C, A, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { sums, channel, .. } = self;
        let [ins, outs] = sums.channels;
        for out in (0..outs).step_by(S::LANES) {
            let left = S::LANES.min(outs - out);
            // SAFETY: the sums' rows are whole panels; this task alone writes this channel's weights.
            unsafe {
                let sum = self.sum.pointer().add(channel * sums.row + out);
                let dw = self.dw.pointer().add(channel * outs + out);
                both_ways::<S, C::WeightsTransposed, A, 3>(
                    s,
                    #[inline(always)]
                    |r, c| s.load(sum.add((r * A + c) * sums.part)),
                    #[inline(always)]
                    |r, c, v| s.store_first(dw.add((3 * r + c) * ins * outs), v, left),
                );
            }
        }
    }
}
