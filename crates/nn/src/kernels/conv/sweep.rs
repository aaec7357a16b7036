//! Which source pixels each target pixel reads, in the forward pass and in the input gradient alike.
//!
//! A convolution's output pixel `o` reads the input pixels `o·stride + tap·dilation − padding`. Its input gradient is
//! the same kind of walk in the other direction: input pixel `i` is read by the outputs `o = (i + padding − tap·dilation) /
//! stride`, for the taps where that division has no remainder. Those are the same taps for all pixels that agree modulo
//! the stride, their *phase*. So a gradient at stride `s` is `s·s` *sweeps*, each an ordinary stride-1 walk with a part of
//! the taps: no zero is multiplied that the stride put there.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::ConvGeometry;
use crate::kernels::pass::Pass;

/// One tap of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    /// Target pixel `[y, x]` of the sweep reads the source pixel `[y·step + offset₀, x·step + offset₁]`.
    pub(crate) offset: [isize; 2],
    /// Which tap of the kernel: `kh·Kw + kw`.
    pub(crate) kernel: usize,
}

/// Target pixels that share their taps.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    /// Target rows and columns that belong to it.
    pub(crate) count: [usize; 2],
    /// The first of them.
    pub(crate) first: [usize; 2],
    /// Their distance.
    pub(crate) spacing: [usize; 2],
    /// The distance between the source pixels of neighbouring targets.
    pub(crate) step: [usize; 2],
    /// In the kernel's order, rows first.
    pub(crate) taps: Vec<Tap>,
    /// The number of taps in the [`phases`] before it.
    pub(crate) taps_before: usize,
}

/// The taps of each phase, in the kernel's order. They don't depend on the size of the picture.
pub(crate) fn phases(g: &ConvGeometry, pass: Pass) -> BTreeMap<[usize; 2], Vec<usize>> {
    let mut phases = BTreeMap::<_, Vec<_>>::new();
    for kernel in 0..g.kernel[0] * g.kernel[1] {
        let offset = input_offset(g, kernel);
        let phase = match pass {
            Pass::InputGradient => [0, 1].map(|d| offset[d].rem_euclid(g.conv.stride[d].cast_signed()).cast_unsigned()),
            _ => [0, 0],
        };
        phases.entry(phase).or_default().push(kernel);
    }
    phases
}

/// From an output pixel's coordinates, times the stride, to those of the input pixel that a tap reads.
fn input_offset(g: &ConvGeometry, kernel: usize) -> [isize; 2] {
    let tap = [kernel / g.kernel[1], kernel % g.kernel[1]];
    let before = [g.conv.padding.top, g.conv.padding.left];
    [0, 1].map(|d| (tap[d] * g.conv.dilation[d]).cast_signed() - before[d].cast_signed())
}

impl Sweep {
    /// The sweeps of the forward pass, which is a single one, or of the input gradient.
    pub(crate) fn all(g: &ConvGeometry, pass: Pass) -> Vec<Self> {
        if pass == Pass::InputGradient { Self::input_gradient(g) } else { vec![Self::forward(g)] }
    }

    /// The forward pass: source is the input, target the output.
    pub(crate) fn forward(g: &ConvGeometry) -> Self {
        let taps = (0..g.kernel[0] * g.kernel[1]).map(|kernel| Tap { offset: input_offset(g, kernel), kernel });
        Self {
            count: g.output,
            first: [0, 0],
            spacing: [1, 1],
            step: g.conv.stride,
            taps: taps.collect(),
            taps_before: 0,
        }
    }

    /// The input gradient: source is the output's gradient, target the input's.
    fn input_gradient(g: &ConvGeometry) -> Vec<Self> {
        let stride = g.conv.stride;
        let phases = phases(g, Pass::InputGradient);
        let pixels = [0, 1].map(|d| 0..stride[d].min(g.input[d]));
        pixels[0]
            .clone()
            .flat_map(|row| pixels[1].clone().map(move |column| [row, column]))
            .map(|first| {
                let taps = phases.get(&first).into_iter().flatten().map(|&kernel| {
                    let offset = input_offset(g, kernel);
                    // The division has no remainder.
                    Tap {
                        offset: [0, 1].map(|d| (first[d].cast_signed() - offset[d]) / stride[d].cast_signed()),
                        kernel,
                    }
                });
                Self {
                    count: [0, 1].map(|d| (g.input[d] - first[d]).div_ceil(stride[d])),
                    first,
                    spacing: stride,
                    step: [1, 1],
                    taps: taps.collect(),
                    taps_before: phases.range(..first).map(|(_, taps)| taps.len()).sum(),
                }
            })
            .collect()
    }

    /// Where the target pixel `[y, x]` of the sweep lies among all target pixels of `width` columns.
    pub(crate) fn target(&self, [y, x]: [usize; 2], width: usize) -> usize {
        (self.first[0] + y * self.spacing[0]) * width + self.first[1] + x * self.spacing[1]
    }
}

/// The output positions whose source `position·stride + offset` lies inside `0..source`.
pub(super) fn inside(offset: isize, stride: usize, source: usize, outputs: usize) -> Range<usize> {
    let first = (-offset).max(0).cast_unsigned().div_ceil(stride);
    let end = (source.cast_signed() - offset).max(0).cast_unsigned().div_ceil(stride).min(outputs);
    first.min(end)..end
}
