//! Which source pixels each target pixel reads: forward and input gradient seen as one thing.
//!
//! A convolution's output pixel `o` reads the input pixels `o·stride + tap·dilation − padding`. Its input gradient is
//! the same kind of walk the other way: input pixel `i` is read by the outputs `o = (i + padding − tap·dilation) /
//! stride`, for the taps where that division has no remainder. Those are the same taps for all pixels that agree modulo
//! the stride, so a gradient at stride `s` is `s·s` *sweeps*, each an ordinary stride-1 walk with a part of the taps:
//! no zero is multiplied that the stride put there.

use crate::ConvGeometry;

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
    /// Source pixels between those of neighbouring targets.
    pub(crate) step: [usize; 2],
    /// Rows first, in the kernel's order.
    pub(crate) taps: Vec<Tap>,
}

impl Sweep {
    /// The forward pass: source is the input, target the output.
    pub(crate) fn forward(g: &ConvGeometry) -> Self {
        let [kh, kw] = g.kernel;
        let before = [g.conv.padding.top, g.conv.padding.left].map(usize::cast_signed);
        let taps = (0..kh * kw)
            .map(|kernel| {
                let tap = [kernel / kw, kernel % kw];
                Tap { offset: [0, 1].map(|d| (tap[d] * g.conv.dilation[d]).cast_signed() - before[d]), kernel }
            })
            .collect();
        Self { count: g.output, first: [0, 0], spacing: [1, 1], step: g.conv.stride, taps }
    }

    /// The input gradient: source is the output's gradient, target the input's.
    pub(crate) fn input_gradient(g: &ConvGeometry) -> Vec<Self> {
        let [sh, sw] = g.conv.stride;
        let [kh, kw] = g.kernel;
        let before = [g.conv.padding.top, g.conv.padding.left].map(usize::cast_signed);
        let phases = (0..sh.min(g.input[0])).flat_map(|r| (0..sw.min(g.input[1])).map(move |c| [r, c]));
        phases
            .map(|first| {
                let taps = (0..kh * kw).filter_map(|kernel| {
                    let tap = [kernel / kw, kernel % kw];
                    let read = [0, 1]
                        .map(|d| first[d].cast_signed() + before[d] - (tap[d] * g.conv.dilation[d]).cast_signed());
                    let stride = g.conv.stride.map(usize::cast_signed);
                    let whole = (0..2).all(|d| read[d].rem_euclid(stride[d]) == 0);
                    whole.then(|| Tap { offset: [0, 1].map(|d| read[d].div_euclid(stride[d])), kernel })
                });
                Self {
                    count: [0, 1].map(|d| (g.input[d] - first[d]).div_ceil(g.conv.stride[d])),
                    first,
                    spacing: g.conv.stride,
                    step: [1, 1],
                    taps: taps.collect(),
                }
            })
            .collect()
    }

    /// Where the target pixel `[y, x]` of the sweep lies among all target pixels of `width` columns.
    pub(crate) fn target(&self, [y, x]: [usize; 2], width: usize) -> usize {
        (self.first[0] + y * self.spacing[0]) * width + self.first[1] + x * self.spacing[1]
    }

    /// The source pixel that target pixel `[y, x]` reads through a tap, or `None` in the padding.
    pub(crate) fn source(&self, [y, x]: [usize; 2], tap: &Tap, [height, width]: [usize; 2]) -> Option<usize> {
        // A negative coordinate wraps round to a huge one.
        let row = (y * self.step[0]).wrapping_add_signed(tap.offset[0]);
        let column = (x * self.step[1]).wrapping_add_signed(tap.offset[1]);
        (row < height && column < width).then(|| row * width + column)
    }
}
