//! Winograd convolution, which the page of `nn::kernels` explains (README.md beside this file).

mod convolve;
mod f2;
mod f4;
mod lift;
mod product;
mod scheme;
mod switch;
#[cfg(test)]
mod tests;
mod tiles;
mod weight_gradient;
mod weights;

use convolve::Convolve;
use f2::F2;
use f4::F4;
use lift::Source;
use scheme::Scheme;
use switch::enabled;
pub use switch::{WinogradError, use_winograd};
use tiles::{Grid, Pictures};
use weight_gradient::WeightGradient;
use weights::Weights;

use super::finish::Target;
use super::pass::{Call, Facts, Pass};
use super::scratch::with_scratch;
use crate::ConvGeometry;
use tensor::simd::{Kernel, Simd, Tier, dispatch_on};

macro_rules! facts {
    ($name:literal, $outputs:path) => {
        Facts {
            name: $name,
            supports,
            suits: |g, pass| enabled() && best(g, pass) == Some($outputs),
            forward: Some(|g, tier| Box::new(Winograd::new(g, Pass::Forward, tier, $outputs))),
            input_gradient: Some(|g, tier| Box::new(Winograd::new(g, Pass::InputGradient, tier, $outputs))),
            weight_gradient: Some(|g, tier, x, dy, dw| weight_gradient(g, tier, $outputs, x, dy, dw)),
        }
    };
}

pub(super) const TWO: Facts = facts!("winograd 2×2", Outputs::Two);
pub(super) const FOUR: Facts = facts!("winograd 4×4", Outputs::Four);

/// Outputs of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outputs {
    /// F(2×2, 3×3).
    Two,
    /// F(4×4, 3×3).
    Four,
}

impl Outputs {
    const fn side(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Whether a convolution is one that these algorithms compute: 3×3, stride 1, no dilation, one group.
fn supports(g: &ConvGeometry) -> bool {
    g.kernel == [3, 3] && g.conv.stride == [1, 1] && g.conv.dilation == [1, 1] && g.conv.groups == 1
}

/// Bytes of a transformed weight gradient above which a few tiles don't make up for it.
const LARGE: usize = 16 << 20;

/// The least number of channels that a layer must have on both sides.
const FEWEST_CHANNELS: usize = 32;

/// The choice: a function of one image's geometry and the channels.
///
/// The products decide. Measured with AVX2 on one core, F(4×4) beat direct convolution wherever it saves a third of them:
/// 28×28 images of 4 to 128 channels 2.2–3.1 times, 8×8 of 64 and 256 2.9 times, 7×7 2.1–2.3, 6×6 1.6, where F(2×2), with
/// as many products, made 1.7–1.8. At batches of 16 that holds also when the weights are transformed at every call, down
/// to 4×4 images of 512 channels (1.04 times). At one image of 7×7×512, where reading U from memory takes the time, direct is
/// 1.15 times faster.
///
/// Layers of few channels are left to direct convolution, which takes little time for them: it gives an exact zero where each
/// product has a zero factor, as where no pixel has both an input and an output gradient other than zero, while the
/// transforms give rounding noise there. Adam takes a full step along noise.
fn best(g: &ConvGeometry, pass: Pass) -> Option<Outputs> {
    let onto = if pass == Pass::InputGradient { g.input } else { g.output };
    if !supports(g) || g.in_channels.min(g.out_channels) < FEWEST_CHANNELS {
        return None;
    }
    let products = |outputs: &Outputs| Grid::new(onto, outputs.side()).per_image() * (outputs.side() + 2).pow(2);
    let large = 36 * 4 * g.in_channels * g.out_channels > LARGE && Grid::new(onto, 4).per_image() <= 4;
    let fewest = match pass {
        Pass::WeightGradient if large => Outputs::Two,
        // A tie goes to the first, whose algorithm is more accurate.
        _ => [Outputs::Two, Outputs::Four].into_iter().min_by_key(products)?,
    };
    (3 * products(&fewest) <= 2 * 9 * onto[0] * onto[1]).then_some(fewest)
}

/// The transformed weights of a forward pass or an input gradient.
#[derive(Debug)]
struct Winograd {
    tier: Tier,
    pass: Pass,
    outputs: Outputs,
    /// Of the source and of the target.
    channels: [usize; 2],
    u: Vec<f32>,
}

impl Winograd {
    fn new(g: &ConvGeometry, pass: Pass, tier: Tier, outputs: Outputs) -> Self {
        let channels = pictures(g, pass).map(|pictures| pictures.channels);
        Self { tier, pass, outputs, channels, u: Vec::new() }
    }
}

impl super::pass::Convolve for Winograd {
    fn update(&mut self, w: &[f32]) {
        let reversed = self.pass == Pass::InputGradient;
        let weights = Weights { values: w, channels: self.channels, reversed };
        dispatch_on(self.tier, Transform { weights, outputs: self.outputs, u: &mut self.u });
    }

    fn run(&self, call: Call<'_>) {
        let Call { g, source, bias, bounds, target: y, .. } = call;
        let [pictures, target] = pictures(g, self.pass);
        let grid = Grid::new(target.extent, self.outputs.side());
        with_scratch(pictures.channels, |zeros| {
            zeros.fill(0.0);
            let source = Source { pixels: source, pictures, grid, zeros };
            let convolve = Convolve { images: g.batch, source, target, u: &self.u, bias, bounds };
            dispatch_on(self.tier, Run { convolve, outputs: self.outputs, y });
        });
    }
}

/// The pictures that a pass reads and those that it writes. The input gradient is a convolution of the output's gradient
/// with `2 − padding` zeros round it.
fn pictures(g: &ConvGeometry, pass: Pass) -> [Pictures; 2] {
    let (input, output) = (input(g), output(g));
    if pass == Pass::InputGradient {
        let source = Pictures { shift: input.shift.map(|padding| -2 - padding), ..output };
        [source, Pictures { shift: [0, 0], ..input }]
    } else {
        [input, output]
    }
}

/// `dw` of a batch: `x: [N, H, W, Cin]`, `dy: [N, Ho, Wo, Cout]`, `dw: [3, 3, Cin, Cout]`.
fn weight_gradient(g: &ConvGeometry, tier: Tier, outputs: Outputs, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let grid = Grid::new(g.output, outputs.side());
    with_scratch(g.in_channels.max(g.out_channels), |zeros| {
        zeros.fill(0.0);
        let x = Source { pixels: x, pictures: input(g), grid, zeros };
        let dy = Source { pixels: dy, pictures: output(g), grid, zeros };
        let gradient = WeightGradient { images: g.batch, x, dy };
        dispatch_on(tier, Gradient { gradient, outputs, dw });
    });
}

fn input(g: &ConvGeometry) -> Pictures {
    let shift = [g.conv.padding.top, g.conv.padding.left].map(|padding| -padding.cast_signed());
    Pictures { extent: g.input, channels: g.in_channels, shift }
}

fn output(g: &ConvGeometry) -> Pictures {
    Pictures { extent: g.output, channels: g.out_channels, shift: [0, 0] }
}

struct Transform<'a> {
    weights: Weights<'a>,
    outputs: Outputs,
    u: &'a mut Vec<f32>,
}

impl Kernel for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        fn run<S: Simd, C: Scheme<A, M>, const A: usize, const M: usize>(s: S, weights: Weights<'_>, u: &mut Vec<f32>) {
            u.resize(weights::len::<S>(A * A, weights.channels), 0.0);
            weights.transform::<S, C, A, M>(s, u);
        }
        match self.outputs {
            Outputs::Two => run::<S, F2, 4, 2>(s, self.weights, self.u),
            Outputs::Four => run::<S, F4, 6, 4>(s, self.weights, self.u),
        }
    }
}

struct Run<'a> {
    convolve: Convolve<'a>,
    outputs: Outputs,
    y: Target<'a>,
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.outputs {
            Outputs::Two => self.convolve.run::<S, F2, 4, 2>(s, self.y),
            Outputs::Four => self.convolve.run::<S, F4, 6, 4>(s, self.y),
        }
    }
}

struct Gradient<'a> {
    gradient: WeightGradient<'a>,
    outputs: Outputs,
    dw: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.outputs {
            Outputs::Two => self.gradient.run::<S, F2, 4, 2>(s, self.dw),
            Outputs::Four => self.gradient.run::<S, F4, 6, 4>(s, self.dw),
        }
    }
}
