//! The transform of the weights, `U = G g Gᵀ`, stored as the product reads it.

use std::marker::PhantomData;

use super::scheme::{Scheme, both_ways};
use crate::kernels::pack::{Matrix, pack_panel};
use crate::kernels::parallel::{Disjoint, for_each};
use crate::kernels::scratch::with_scratch;
use crate::kernels::tile::columns;
use tensor::simd::{Kernel, LINE, Simd};

/// Values of `U`, `[panels of Cout][A²][Cin][panel]`.
pub(super) fn len<S: Simd>(parts: usize, [in_channels, out_channels]: [usize; 2]) -> usize {
    out_channels.div_ceil(columns::<S>()) * parts * part_step::<S>(in_channels)
}

/// The distance between the A² parts of a panel: a part's values and a cache line. The parts of one weight are written one after
/// the other, and would otherwise compete for one set of the cache.
pub(super) const fn part_step<S: Simd>(in_channels: usize) -> usize {
    in_channels * columns::<S>() + LINE
}

/// The weights `[3, 3, Cin, Cout]` of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) values: &'a [f32],
    /// `Cin` and `Cout`.
    pub(super) channels: [usize; 2],
    /// Whether `values` is `[3, 3, Cout, Cin]` and turned by 180°: the input gradient convolves with the layer's weights
    /// like that, its source having the layer's output channels.
    pub(super) reversed: bool,
}

impl Weights<'_> {
    pub(super) fn transform<S: Simd, C: Scheme<A, M>, const A: usize, const M: usize>(self, s: S, u: &mut [f32]) {
        let [in_channels, out_channels] = self.channels;
        assert_eq!(u.len(), len::<S>(A * A, self.channels), "values of the transformed weights");
        assert_eq!(self.values.len(), 9 * in_channels * out_channels, "values of the weights");
        let u = Disjoint::new(u);
        let chunks = in_channels.div_ceil(CHUNK);
        let work = (in_channels * out_channels * A * A) as u64;
        for_each(out_channels.div_ceil(columns::<S>()) * chunks, work, |task| {
            let (panel, from) = (task / chunks, task % chunks * CHUNK);
            s.vectorize(Chunk::<C, A, M> { scheme: PhantomData, weights: self, panel, from, u });
        });
    }
}

/// Channels of a task.
const CHUNK: usize = 16;

/// `CHUNK` channels of one panel, from the channel `from` on.
struct Chunk<'a, C, const A: usize, const M: usize> {
    scheme: PhantomData<C>,
    weights: Weights<'a>,
    panel: usize,
    from: usize,
    u: Disjoint<'a>,
}

impl<C: Scheme<A, M>, const A: usize, const M: usize> Kernel for Chunk<'_, C, A, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Weights { values, channels: [in_channels, out_channels], reversed } = self.weights;
        let width = columns::<S>();
        let channels = self.from..in_channels.min(self.from + CHUNK);
        let outs = self.panel * width..out_channels.min((self.panel + 1) * width);
        let step = part_step::<S>(in_channels);
        with_scratch(
            9 * channels.len() * width,
            #[inline(always)]
            |taps| {
                let size = channels.len() * width;
                for (tap, panel) in taps.chunks_exact_mut(size).enumerate() {
                    let plane = if reversed { 8 - tap } else { tap } * in_channels * out_channels;
                    let plane = &values[plane..][..in_channels * out_channels];
                    let matrix = if reversed {
                        Matrix::new(plane, [out_channels, in_channels])
                            .part(outs.clone(), channels.clone())
                            .transposed()
                    } else {
                        Matrix::new(plane, [in_channels, out_channels]).part(channels.clone(), outs.clone())
                    };
                    pack_panel(s, matrix, panel);
                }
                for (c, channel) in channels.clone().enumerate() {
                    for lane in [0, S::LANES] {
                        // SAFETY: a panel, and a row of `taps`, has room for a vector from `lane` on; `u` has `len` values, of
                        // which this task alone writes those of its panel and channels.
                        unsafe {
                            let u = self.u.pointer().add(self.panel * A * A * step + channel * width + lane);
                            let taps = taps.as_ptr().add(c * width + lane);
                            both_ways::<S, C::Weights, 3, A>(
                                s,
                                #[inline(always)]
                                |y, x| s.load(taps.add((3 * y + x) * size)),
                                #[inline(always)]
                                |y, x, v| s.store(u.add((y * A + x) * step), v),
                            );
                        }
                    }
                }
            },
        );
    }
}
