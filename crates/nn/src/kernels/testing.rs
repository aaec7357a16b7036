//! Helpers of the kernels' tests.

use proptest::prelude::*;
use tensor::simd::Lanes;

use crate::function::{Differentiable, Function};
use crate::{ConvGeometry, Convolution, Padding};

/// Values in [−1, 1) that are the same at every call.
pub(super) fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// A test of this number of random cases; of `interpreted` cases under Miri.
pub(super) fn trials(cases: u32, interpreted: u32) -> ProptestConfig {
    let cases = if cfg!(miri) { interpreted } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// x² + 1, and 2x from x.
#[derive(Clone, Copy, Debug)]
pub(super) struct Square;

impl Function for Square {
    fn f<L: Lanes>(self, x: L) -> L {
        x * x + x.like(1.0)
    }
}

impl Differentiable for Square {
    fn vjp<L: Lanes>(self, g: L, x: L) -> L {
        g * x.like(2.0) * x
    }
}

/// The operands of a convolution and its gradients. None is longer than needed: an address sanitizer detects access past the
/// end.
pub(super) struct Operands {
    pub(super) x: Vec<f32>,
    pub(super) w: Vec<f32>,
    pub(super) dy: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

pub(super) fn operands(g: &ConvGeometry) -> Operands {
    Operands {
        x: values(g.input_shape().iter().product(), 1),
        w: values(g.kernel_shape().iter().product(), 2),
        dy: values(g.output_shape().iter().product(), 3),
        bias: values(g.out_channels, 4),
    }
}

/// Padding of fewer than `end` pixels on each side.
pub(super) fn padding(end: usize) -> impl Strategy<Value = Padding> {
    [0..end, 0..end, 0..end, 0..end].prop_map(|[top, bottom, left, right]| Padding { top, bottom, left, right })
}

/// Input and output channels round the edges of vectors and of tiles.
pub(super) fn channels() -> impl Strategy<Value = [usize; 2]> {
    [prop_oneof![1..20_usize, 1..71_usize], prop_oneof![1..20_usize, 1..71_usize]]
}

/// A convolution of pictures that are larger by `extra` than the smallest that the window fits into.
pub(super) fn fitted(
    batch: usize,
    extra: [usize; 2],
    kernel: [usize; 2],
    conv: Convolution,
    [cin, cout]: [usize; 2],
) -> ConvGeometry {
    let padding = conv.padding.total();
    let [h, w] = [0, 1].map(|d| {
        let window = conv.dilation[d] * (kernel[d] - 1) + 1;
        window.saturating_sub(padding[d]).max(1) + extra[d]
    });
    conv.geometry(&[batch, h, w, cin], &[kernel[0], kernel[1], cin / conv.groups, cout]).expect("the window fits")
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// A pool of one thread, one of two and one of three.
pub(super) fn pools() -> impl Iterator<Item = rayon::ThreadPool> {
    (1..=3).map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap())
}
