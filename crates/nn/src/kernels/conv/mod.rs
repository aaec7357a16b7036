//! Convolutions and their gradients over `[N, H, W, C]`.

use super::bounds::Bounds;
use super::finish::Finish;
use super::pass::{Call, Convolve, check};
use crate::{ConvGeometry, Convolution, Padding};
use tensor::simd::{Tier, tier};

mod algorithm;
mod columns;
mod depthwise;
mod direct;
mod margins;
mod padded;
mod pointwise;
mod sliding;
mod sweep;
#[cfg(test)]
mod tests;
mod weight_gradient;

pub use super::pass::Pass;
pub use algorithm::{Algorithm, choose};

/// The weights of a convolution in the form that one pass of one algorithm reads, for images of any number and size.
#[derive(Debug)]
pub struct Prepared {
    /// Of some picture: neither its size nor the batch matters, nor the padding in a depthwise forward pass.
    geometry: ConvGeometry,
    pass: Pass,
    algorithm: Algorithm,
    convolve: Box<dyn Convolve>,
}

impl Prepared {
    /// Prepares the weights `[Kh, Kw, Cin / groups, Cout]`. The geometry's batch and extents don't matter.
    ///
    /// # Panics
    /// If the weights don't fit the geometry, the pass is [`Pass::WeightGradient`], or the algorithm doesn't
    /// [support](Algorithm::supports) it.
    #[must_use]
    pub fn new(g: &ConvGeometry, pass: Pass, algorithm: Algorithm, w: &[f32]) -> Self {
        Self::on(tier(), g, pass, algorithm, w)
    }

    pub(super) fn on(tier: Tier, g: &ConvGeometry, pass: Pass, algorithm: Algorithm, w: &[f32]) -> Self {
        let build = match pass {
            Pass::Forward => algorithm.facts().forward,
            Pass::InputGradient => algorithm.facts().input_gradient,
            Pass::WeightGradient => panic!("a weight gradient has no weights to prepare"),
        };
        let build = build.filter(|_| algorithm.supports(g, pass));
        let build = build.unwrap_or_else(|| panic!("{algorithm} can't compute the {pass:?} of {g:?}"));
        let mut prepared = Self { geometry: *g, pass, algorithm, convolve: build(g, tier) };
        prepared.update(w);
        prepared
    }

    /// Prepares other weights in the same memory.
    ///
    /// # Panics
    /// If they don't fit the geometry.
    pub fn update(&mut self, w: &[f32]) {
        check(&self.geometry, "weights", w, self.geometry.kernel_shape());
        self.convolve.update(w);
    }

    /// Whether the weights were prepared for this pass, convolution and algorithm. The number and size of the images don't matter,
    /// nor does the padding in a depthwise forward pass.
    #[must_use]
    pub fn is_for(&self, g: &ConvGeometry, pass: Pass, algorithm: Algorithm) -> bool {
        let any_padding = pass == Pass::Forward && algorithm == Algorithm::Depthwise;
        let unpadded = |conv| Convolution { padding: Padding::default(), ..conv };
        let conv = |g: &ConvGeometry| if any_padding { unpadded(g.conv) } else { g.conv };
        let weights = |g: &ConvGeometry| (g.kernel_shape(), conv(g));
        weights(&self.geometry) == weights(g) && self.pass == pass && self.algorithm == algorithm
    }

    /// `y = conv(x, w) + bias`, then `max(0, y)` if `relu`.
    ///
    /// `x: [N, H, W, Cin]`, `bias: [Cout]`, `y: [N, Ho, Wo, Cout]`.
    ///
    /// # Panics
    /// If it was prepared for another pass or convolution, or a length doesn't fit.
    pub fn forward(&self, g: &ConvGeometry, x: &[f32], bias: Option<&[f32]>, relu: bool, y: &mut [f32]) {
        self.assert_is_for(g, Pass::Forward);
        let bounds = if relu { Bounds::RELU } else { Bounds::None };
        self.convolve.run(Call::forward(g, x, bias, y).clipped(bounds));
    }

    /// As [`forward`](Self::forward), followed by the steps of the layers after it.
    pub(crate) fn forward_finished(
        &self,
        g: &ConvGeometry,
        x: &[f32],
        bias: Option<&[f32]>,
        finish: &Finish<'_, f32>,
        y: &mut [f32],
    ) {
        self.assert_is_for(g, Pass::Forward);
        self.convolve.run(Call::forward(g, x, bias, y).finished_by(finish));
    }

    /// `∂S/∂x` from `∂S/∂y`.
    ///
    /// `dy: [N, Ho, Wo, Cout]`, `dx: [N, H, W, Cin]`.
    ///
    /// # Panics
    /// If it was prepared for another pass or convolution, or a length doesn't fit.
    pub fn input_gradient(&self, g: &ConvGeometry, dy: &[f32], dx: &mut [f32]) {
        self.assert_is_for(g, Pass::InputGradient);
        self.convolve.run(Call::input_gradient(g, dy, dx));
    }

    fn assert_is_for(&self, g: &ConvGeometry, pass: Pass) {
        assert!(self.is_for(g, pass, self.algorithm), "the {pass:?} of {g:?}, prepared for {self:?}");
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
    let compute = algorithm.facts().weight_gradient.filter(|_| algorithm.supports(g, Pass::WeightGradient));
    let compute = compute.unwrap_or_else(|| panic!("{algorithm} can't compute the weight gradient of {g:?}"));
    check(g, "input", x, g.input_shape());
    check(g, "output gradient", dy, g.output_shape());
    check(g, "weight gradient", dw, g.kernel_shape());
    compute(g, tier, x, dy, dw);
}
