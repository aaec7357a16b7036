//! The three passes of a convolution, and what an algorithm says of itself.

use std::fmt;

use super::bounds::Bounds;
use super::finish::{Finish, Target};
use crate::ConvGeometry;
use tensor::simd::Tier;

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

/// An algorithm's entry in the list of [`Algorithm`](super::conv::Algorithm).
pub(crate) struct Facts {
    /// The name that is displayed.
    pub(crate) name: &'static str,
    /// Whether it can compute a convolution, in the passes that it has.
    pub(crate) supports: fn(&ConvGeometry) -> bool,
    /// Whether it is chosen for a pass that it can compute, if no algorithm before it in the list is.
    pub(crate) suits: fn(&ConvGeometry, Pass) -> bool,
    /// The passes that it has.
    pub(crate) forward: Option<Build>,
    pub(crate) input_gradient: Option<Build>,
    pub(crate) weight_gradient: Option<WeightGradient>,
}

/// Makes room for the weights of a convolution, for pictures of any size.
pub(crate) type Build = fn(&ConvGeometry, Tier) -> Box<dyn Convolve>;

/// Computes `dw` from `x` and `dy`, whose lengths the caller has checked.
pub(crate) type WeightGradient = fn(&ConvGeometry, Tier, x: &[f32], dy: &[f32], dw: &mut [f32]);

/// The forward pass or the input gradient of one algorithm, with its weights.
pub(crate) trait Convolve: fmt::Debug + Send + Sync {
    /// Brings weights `[Kh, Kw, Cin / groups, Cout]` into the form that the algorithm reads.
    ///
    /// # Panics
    /// If they don't have the shape that it was built for.
    fn update(&mut self, w: &[f32]);

    /// Computes the pass, for pictures of any size.
    fn run(&self, call: Call<'_>);
}

/// One call of a forward pass or of an input gradient, whose operands have the lengths that the geometry requires.
pub(crate) struct Call<'a> {
    pub(crate) g: &'a ConvGeometry,
    /// `x`, or `dy`.
    pub(crate) source: &'a [f32],
    /// One value for each output channel, of the forward pass alone.
    pub(crate) bias: Option<&'a [f32]>,
    /// To which results are clipped, in the forward pass alone.
    pub(crate) bounds: Bounds,
    /// `y`, or `dx`.
    pub(crate) target: Target<'a>,
    /// Only the constructors check the lengths.
    _checked: (),
}

impl<'a> Call<'a> {
    /// # Panics
    /// If a length doesn't fit the geometry.
    pub(crate) fn forward(g: &'a ConvGeometry, x: &'a [f32], bias: Option<&'a [f32]>, y: &'a mut [f32]) -> Self {
        check(g, "input", x, g.input_shape());
        check(g, "output", y, g.output_shape());
        assert!(bias.is_none_or(|bias| bias.len() == g.out_channels), "one bias for each output channel of {g:?}");
        Self { g, source: x, bias, bounds: Bounds::None, target: Target::new(y), _checked: () }
    }

    /// With results that are clipped.
    pub(crate) fn clipped(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// With the steps of the layers after it.
    pub(crate) fn finished_by(self, finish: &'a Finish<'a, f32>) -> Self {
        match finish.as_bounds() {
            Some(bounds) => self.clipped(bounds),
            None => Self { target: self.target.finished_by(finish), ..self },
        }
    }

    /// # Panics
    /// If a length doesn't fit the geometry.
    pub(crate) fn input_gradient(g: &'a ConvGeometry, dy: &'a [f32], dx: &'a mut [f32]) -> Self {
        check(g, "output gradient", dy, g.output_shape());
        check(g, "input gradient", dx, g.input_shape());
        Self { g, source: dy, bias: None, bounds: Bounds::None, target: Target::new(dx), _checked: () }
    }
}

/// # Panics
/// If the array doesn't have that shape.
pub(crate) fn check(g: &ConvGeometry, what: &str, values: &[f32], shape: [usize; 4]) {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "{what} of {g:?}");
}
