//! From pictures to panels: the transform of windows, `Bᵀ d B` for inputs and `A y Aᵀ` for the output's gradient.

use std::marker::PhantomData;
use std::ops::Range;

use super::scheme::{Linear, both_ways};
use super::tiles::{Grid, Pictures};
use crate::kernels::parallel::Disjoint;
use crate::kernels::tile::columns;
use tensor::simd::{Kernel, LINE, Simd};

/// Where the transformed windows of a block of tiles lie: `[A²][panels of channels][tiles][panel]`.
///
/// Panels are `NR` channels wide. A window's parts are written one after the other; a cache line between panels, and another
/// between parts, keeps them from competing for one set of the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    /// The distance between neighbouring parts.
    pub(super) part: usize,
    /// The distance between neighbouring panels.
    pub(super) panel: usize,
}

impl Panels {
    pub(super) fn new<S: Simd>(tiles: usize, channels: usize) -> Self {
        let panel = tiles * columns::<S>() + LINE;
        Self { panel, part: channels.div_ceil(columns::<S>()) * panel + LINE }
    }

    /// Values of that many parts.
    pub(super) fn len(&self, parts: usize) -> usize {
        parts * self.part
    }
}

/// Pictures to be transformed, in whole batches.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) pixels: &'a [f32],
    pub(super) pictures: Pictures,
    pub(super) grid: Grid,
    /// A pixel of zeros, read where a window reaches beyond its picture.
    pub(super) zeros: &'a [f32],
}

impl Source<'_> {
    #[inline(always)]
    fn window<const I: usize>(&self, tile: usize) -> [[*const f32; I]; I] {
        self.pictures.window(self.pixels.as_ptr(), self.grid.corner(tile), self.zeros.as_ptr())
    }
}

/// The transform, by the map `L`, of the I×I windows of some tiles.
pub(super) struct Lift<'a, L, const I: usize, const A: usize> {
    pub(super) map: PhantomData<L>,
    pub(super) source: Source<'a>,
    pub(super) tiles: Range<usize>,
    pub(super) panels: Panels,
    pub(super) to: Disjoint<'a>,
    /// The first tile of the panels.
    pub(super) first: usize,
}

impl<L: Linear<I, A>, const I: usize, const A: usize> Kernel for Lift<'_, L, I, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Windows of inputs share two columns with the window before, which are in the cache already.
        let seen = if I == A { 2 } else { 0 };
        let channels = self.source.pictures.channels;
        let mut current = self.source.window::<I>(self.tiles.start);
        for tile in self.tiles.clone() {
            let next = self.source.window::<I>((tile + 1).min(self.tiles.end - 1));
            for channel in (0..channels).step_by(S::LANES) {
                if channel.is_multiple_of(LINE) {
                    for row in &next {
                        for pixel in &row[seen..] {
                            s.prefetch(pixel.wrapping_add(channel));
                        }
                    }
                }
                let (panel, lane) = (channel / columns::<S>(), channel % columns::<S>());
                let left = channels - channel;
                let part = self.panels.part;
                // SAFETY: the pointers are to pixels, of `channels` values each; the panels have room for every part of
                // this tile and for all lanes of the last vector, and no other task writes this tile's. The lanes beyond
                // the channels are zero; where the last panel has a second vector that holds no channel, it isn't written:
                // products go no further than the channels, or multiply it into columns that are never read.
                unsafe {
                    let to = self.to.pointer().add(panel * self.panels.panel + lane);
                    let to = to.add((tile - self.first) * columns::<S>());
                    if left >= S::LANES {
                        both_ways::<S, L, I, A>(
                            s,
                            #[inline(always)]
                            |r, c| s.load(current[r][c].add(channel)),
                            #[inline(always)]
                            |r, c, v| s.store(to.add((r * A + c) * part), v),
                        );
                    } else {
                        both_ways::<S, L, I, A>(
                            s,
                            #[inline(always)]
                            |r, c| s.load_first(current[r][c].add(channel), left),
                            #[inline(always)]
                            |r, c, v| s.store(to.add((r * A + c) * part), v),
                        );
                    }
                }
            }
            current = next;
        }
    }
}
