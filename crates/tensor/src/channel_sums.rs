//! Sums over pixels, channel by channel: pairwise, with the same bits on any number of threads.

use std::ops::Range;

use crate::blocks::{cut, elements};
use crate::element::Element;
use crate::simd::vectorized;
use crate::sum::pairwise_sums;

/// The pixels that a plain loop adds up.
const RUN: usize = 16;

/// `K` sums over all pixels of `f(values, parameter)`, each `[C]`, where the `M` operands are `[…, C]` and `parameter` is `[C]`.
///
/// The sums are pairwise: halves are summed separately, down to runs of a few pixels. So the order, and with it the result,
/// depends on the number of pixels alone.
pub fn channel_sums<T: Element, const M: usize, const K: usize>(
    operands: [&[T]; M],
    parameter: &[T],
    f: impl Fn([T; M], T) -> [T; K] + Sync,
) -> [Vec<T>; K] {
    let channels = parameter.len();
    let terms = Terms { operands, parameter, f };
    let leaf = |pixels: Range<usize>, sums: &mut [T]| {
        vectorized(
            #[inline(always)]
            || terms.run(pixels, sums),
        );
    };
    let mut sums = vec![T::zero(); K * channels];
    pairwise_sums(0..operands[0].len() / channels.max(1), RUN, &leaf, &mut sums);
    std::array::from_fn(|k| sums[k * channels..(k + 1) * channels].to_vec())
}

/// From this number of channels on, memory is read in order.
const MANY: usize = 64;

struct Terms<'a, T, F, const M: usize> {
    operands: [&'a [T]; M],
    parameter: &'a [T],
    f: F,
}

impl<T: Element, F: Fn([T; M], T) -> [T; K], const M: usize, const K: usize> Terms<'_, T, F, M> {
    /// Writes the sums `[K, C]` of a run, in blocks of channels. With few channels, a block passes over all pixels with its sums in
    /// registers. With many, all blocks pass over one pixel after the other, so that memory is read in order.
    #[inline(always)]
    fn run(&self, pixels: Range<usize>, sums: &mut [T]) {
        sums.fill(T::zero());
        let step = if self.parameter.len() < MANY { RUN } else { 1 };
        for first in pixels.clone().step_by(step) {
            let pixels = first..pixels.end.min(first + step);
            let mut channel = 0;
            while channel < self.parameter.len() {
                channel += match self.parameter.len() - channel {
                    32.. => self.block::<32>(pixels.clone(), channel, sums),
                    8.. => self.block::<8>(pixels.clone(), channel, sums),
                    _ => self.block::<1>(pixels.clone(), channel, sums),
                };
            }
        }
    }

    /// Adds to the sums of `C` channels, and returns their number.
    #[inline(always)]
    fn block<const C: usize>(&self, pixels: Range<usize>, first: usize, sums: &mut [T]) -> usize {
        let channels = self.parameter.len();
        let parameter = &self.parameter[first..first + C];
        let mut total = [[T::zero(); C]; K];
        for k in 0..K {
            total[k].copy_from_slice(&sums[k * channels + first..][..C]);
        }
        for pixel in pixels {
            let at = pixel * channels + first;
            let operands = cut(self.operands, at, C);
            for c in 0..C {
                let terms = (self.f)(elements(operands, c), parameter[c]);
                for k in 0..K {
                    total[k][c] += terms[k];
                }
            }
        }
        for k in 0..K {
            sums[k * channels + first..][..C].copy_from_slice(&total[k]);
        }
        C
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_right_and_the_same_on_any_number_of_threads() {
        // Blocks of 32, of 8 and single channels, few and many.
        sums_of::<42>();
        sums_of::<75>();
    }

    fn sums_of<const CHANNELS: usize>() {
        let x: Vec<f32> = (0..3_000 * CHANNELS).map(|i| (i as f32 * 0.37).sin()).collect();
        let parameter: Vec<f32> = (0..CHANNELS).map(|c| c as f32 / 100.0).collect();
        let sums = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| channel_sums([&x[..], &x], &parameter, |[a, b], p| [a, b * p]))
        };
        assert_eq!(sums(1), sums(3));
        let [plain, scaled] = sums(2);
        for c in 0..CHANNELS {
            let exact: f64 = x.iter().skip(c).step_by(CHANNELS).map(|&x| f64::from(x)).sum();
            // At most 16 + log₂(3000 / 16) roundings on the way of each term, in a sum of at most 3000; one of a product.
            let bound = 25.0 * f64::from(f32::EPSILON) * 3_000.0;
            assert!((f64::from(plain[c]) - exact).abs() < bound);
            assert!((f64::from(scaled[c]) - exact * f64::from(parameter[c])).abs() < bound);
        }
    }
}
