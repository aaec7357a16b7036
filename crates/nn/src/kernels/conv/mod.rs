//! Convolutions and their gradients over `[N, H, W, C]`.

use std::fmt;

use super::winograd::{self, Outputs, Winograd};
use crate::ConvGeometry;
use tensor::simd::{Tier, tier};

mod columns;
mod depthwise;
mod direct;
mod padded;
mod sliding;
mod sweep;
#[cfg(test)]
mod tests;
mod weight_gradient;

use columns::Columns;
use depthwise::Depthwise;
use direct::Direct;
use padded::Padded;
use weight_gradient::WeightGradient;

/// Which of a convolution's three products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// y from x and w.
    Forward,
    /// ∂S/∂x from ∂S/∂y and w.
    InputGradient,
    /// ∂S/∂w from x and ∂S/∂y.
    WeightGradient,
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// A product whose left operand is read in place, pixel by pixel; with a 1×1 kernel, a plain matrix product.
    Direct,
    /// Few input channels: a padded copy whose kernel rows are contiguous.
    Padded,
    /// The input gradient towards few channels: products that end in pixels, added up afterwards.
    Columns,
    /// One kernel for each channel: vectors run over channels.
    Depthwise,
    /// Winograd's F(2×2, 3×3), for 3×3 kernels at stride 1: 16 products for 36.
    Winograd2,
    /// Winograd's F(4×4, 3×3), for 3×3 kernels at stride 1: 36 products for 144, and about twice direct's error.
    Winograd4,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Padded => "padded",
            Self::Columns => "columns",
            Self::Depthwise => "depthwise",
            Self::Winograd2 => "winograd 2×2",
            Self::Winograd4 => "winograd 4×4",
        })
    }
}

/// Input channels up to which a padded copy beats reading in place.
const FEW_CHANNELS: usize = 8;

impl Algorithm {
    /// Whether it can compute that pass of that convolution.
    #[must_use]
    pub fn supports(self, g: &ConvGeometry, pass: Pass) -> bool {
        match self {
            Self::Direct => true,
            Self::Columns => pass == Pass::InputGradient && g.conv.groups == 1,
            Self::Depthwise => g.conv.groups == g.in_channels && g.in_channels == g.out_channels,
            Self::Padded => pass != Pass::InputGradient && g.conv.groups == 1 && g.conv.dilation[1] == 1,
            Self::Winograd2 | Self::Winograd4 => winograd::supports(g),
        }
    }
}

/// The algorithm for a pass: a function of one image's geometry and the channels, never of the batch.
#[must_use]
pub fn choose(g: &ConvGeometry, pass: Pass) -> Algorithm {
    if let Some(outputs) = winograd::choose(g, pass) {
        return match outputs {
            Outputs::Two => Algorithm::Winograd2,
            Outputs::Four => Algorithm::Winograd4,
        };
    }
    let few = g.in_channels <= FEW_CHANNELS;
    if g.in_channels > 1 && Algorithm::Depthwise.supports(g, pass) {
        Algorithm::Depthwise
    } else if few && Algorithm::Columns.supports(g, pass) {
        Algorithm::Columns
    } else if few && Algorithm::Padded.supports(g, pass) {
        Algorithm::Padded
    } else {
        Algorithm::Direct
    }
}

/// Weights in the form that one pass of one convolution wants them, for any number of images.
#[derive(Debug)]
pub struct Prepared {
    geometry: ConvGeometry,
    pass: Pass,
    algorithm: Algorithm,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    Direct(Direct),
    Padded(Padded),
    Columns(Columns),
    Depthwise(Depthwise),
    Winograd(Winograd),
}

impl Prepared {
    /// Prepares the weights `[Kh, Kw, Cin / groups, Cout]`. The geometry's batch doesn't matter.
    ///
    /// # Panics
    /// If the weights don't fit the geometry, the pass is [`Pass::WeightGradient`], or the algorithm doesn't
    /// [support](Algorithm::supports) it.
    #[must_use]
    pub fn new(g: &ConvGeometry, pass: Pass, algorithm: Algorithm, w: &[f32]) -> Self {
        Self::on(tier(), g, pass, algorithm, w)
    }

    pub(crate) fn on(tier: Tier, g: &ConvGeometry, pass: Pass, algorithm: Algorithm, w: &[f32]) -> Self {
        assert!(pass != Pass::WeightGradient, "a weight gradient has no weights to prepare");
        assert!(algorithm.supports(g, pass), "{algorithm} can't compute the {pass:?} of {g:?}");
        let winograd = match pass {
            Pass::Forward => Winograd::forward,
            _ => Winograd::input_gradient,
        };
        let plan = match (algorithm, pass) {
            (Algorithm::Winograd2, _) => Plan::Winograd(winograd(g, tier, Outputs::Two)),
            (Algorithm::Winograd4, _) => Plan::Winograd(winograd(g, tier, Outputs::Four)),
            (Algorithm::Depthwise, Pass::Forward) => Plan::Depthwise(Depthwise::forward(g, tier)),
            (Algorithm::Depthwise, _) => Plan::Depthwise(Depthwise::input_gradient(g, tier)),
            (Algorithm::Columns, _) => Plan::Columns(Columns::new(g, tier)),
            (Algorithm::Padded, _) => Plan::Padded(Padded::new(g, tier)),
            (_, Pass::Forward) => Plan::Direct(Direct::forward(g, tier)),
            (_, _) => Plan::Direct(Direct::input_gradient(g, tier)),
        };
        let mut prepared = Self { geometry: g.with_batch(1), pass, algorithm, plan };
        prepared.update(w);
        prepared
    }

    /// Prepares other weights in the same memory.
    ///
    /// # Panics
    /// If they don't fit the geometry.
    pub fn update(&mut self, w: &[f32]) {
        assert_eq!(w.len(), self.geometry.kernel_shape().iter().product::<usize>(), "weights of {:?}", self.geometry);
        match &mut self.plan {
            Plan::Direct(direct) => direct.pack(w, self.geometry.out_channels, self.pass == Pass::InputGradient),
            Plan::Padded(padded) => padded.update(w),
            Plan::Columns(columns) => columns.update(w),
            Plan::Depthwise(depthwise) => depthwise.update(w),
            Plan::Winograd(winograd) => winograd.transform(w, self.pass == Pass::InputGradient),
        }
    }

    /// Whether it is for that pass of that convolution, of any batch, by that algorithm.
    #[must_use]
    pub fn is_for(&self, g: &ConvGeometry, pass: Pass, algorithm: Algorithm) -> bool {
        self.geometry == g.with_batch(1) && self.pass == pass && self.algorithm == algorithm
    }

    /// The pass that it is for.
    #[must_use]
    pub fn pass(&self) -> Pass {
        self.pass
    }

    /// The algorithm that it is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `y = conv(x, w) + bias`, then `max(0, y)` if `relu`.
    ///
    /// `x: [N, H, W, Cin]`, `bias: [Cout]`, `y: [N, Ho, Wo, Cout]`.
    ///
    /// # Panics
    /// If it was prepared for another pass, or a length doesn't fit.
    pub fn forward(&self, x: &[f32], bias: Option<&[f32]>, relu: bool, y: &mut [f32]) {
        assert_eq!(self.pass, Pass::Forward, "prepared for another pass");
        match &self.plan {
            Plan::Direct(direct) => direct.run(x, bias, relu, y),
            Plan::Padded(padded) => padded.run(x, bias, relu, y),
            Plan::Depthwise(depthwise) => depthwise.run(x, bias, relu, y),
            Plan::Winograd(winograd) => winograd.run(x, bias, relu, y),
            Plan::Columns(_) => unreachable!("an algorithm of the input gradient"),
        }
    }

    /// `∂S/∂x` from `∂S/∂y`.
    ///
    /// `dy: [N, Ho, Wo, Cout]`, `dx: [N, H, W, Cin]`.
    ///
    /// # Panics
    /// If it was prepared for another pass, or a length doesn't fit.
    pub fn input_gradient(&self, dy: &[f32], dx: &mut [f32]) {
        assert_eq!(self.pass, Pass::InputGradient, "prepared for another pass");
        match &self.plan {
            Plan::Direct(direct) => direct.run(dy, None, false, dx),
            Plan::Padded(_) => unreachable!("an algorithm of the forward pass"),
            Plan::Columns(columns) => columns.run(dy, dx),
            Plan::Depthwise(depthwise) => depthwise.run(dy, None, false, dx),
            Plan::Winograd(winograd) => winograd.run(dy, None, false, dx),
        }
    }
}

/// `∂S/∂w` from `x` and `∂S/∂y`, summed over the images in their order.
///
/// `x: [N, H, W, Cin]`, `dy: [N, Ho, Wo, Cout]`, `dw: [Kh, Kw, Cin / groups, Cout]`.
///
/// # Panics
/// If a length doesn't fit, or the algorithm doesn't [support](Algorithm::supports) it.
pub fn weight_gradient(g: &ConvGeometry, algorithm: Algorithm, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    weight_gradient_on(tier(), g, algorithm, x, dy, dw);
}

fn weight_gradient_on(tier: Tier, g: &ConvGeometry, algorithm: Algorithm, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    assert!(algorithm.supports(g, Pass::WeightGradient), "{algorithm} can't compute the weight gradient of {g:?}");
    assert_eq!(x.len(), g.input_shape().iter().product::<usize>(), "input of {g:?}");
    assert_eq!(dy.len(), g.output_shape().iter().product::<usize>(), "output gradient of {g:?}");
    assert_eq!(dw.len(), g.kernel_shape().iter().product::<usize>(), "weight gradient of {g:?}");
    match algorithm {
        Algorithm::Depthwise => depthwise::weight_gradient(tier, g, x, dy, dw),
        Algorithm::Winograd2 => winograd::weight_gradient(g, tier, Outputs::Two, x, dy, dw),
        Algorithm::Winograd4 => winograd::weight_gradient(g, tier, Outputs::Four, x, dy, dw),
        _ => WeightGradient::new(g, algorithm == Algorithm::Padded).run(tier, x, dy, dw),
    }
}
