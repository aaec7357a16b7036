//! What a kind of layer says of itself.

use std::fmt;

use super::error::LayerError;
use super::inputs::one;
use super::parameter::ParameterSpec;
use crate::geometry::{ConvGeometry, Padding};

/// What a kind of layer says of itself; the rest of the crate, and whoever explains a model, asks here.
///
/// Shapes are those of one image: `[H, W, C]`, or `[C]` after flattening. The batch N is not part of them.
pub trait Kind: fmt::Debug + fmt::Display {
    /// The shape of the output.
    ///
    /// # Errors
    /// If the layer can't be applied to inputs of these shapes.
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError>;

    /// The parameters and running statistics that the layer owns, for a (first) input of this shape.
    fn parameters(&self, _input: &[usize]) -> Vec<ParameterSpec> {
        Vec::new()
    }

    /// An estimate of the time that one image takes.
    fn work(&self, input: &[usize], output: &[usize]) -> Work;

    /// Which positions of its input an output position reads.
    fn reach(&self) -> Reach<'_>;

    /// Whether each value of the output is one of the inputs' values, whichever these are.
    fn moves(&self) -> bool {
        false
    }

    /// What the layer does in evaluation to an input of this shape.
    fn effect(&self, _input: &[usize]) -> Effect {
        Effect::Computes
    }

    /// Whether the output for the same image differs from one training step to the next although no parameter changes.
    fn is_random(&self) -> bool {
        false
    }

    /// Which part the layer can have in a chain of layers that are computed together.
    fn fuses(&self) -> Fuses {
        Fuses::Never
    }

    /// The geometry of the convolution over one image `[H, W, C]`, if the layer is a convolution; of a transposed one, that of
    /// the convolution that it is the transpose of.
    ///
    /// # Errors
    /// If the layer can't be applied to such an image.
    fn convolution(&self, _image: [usize; 3]) -> Option<Result<ConvGeometry, LayerError>> {
        None
    }

    /// Gives a layer without a bias one of this shape, if it can have it; whether it can.
    fn add_bias(&mut self, _shape: &[usize]) -> bool {
        false
    }
}

/// A kind of layer whose output has its input's shape, each value at the place of the one it is computed for.
pub(crate) trait SameShape: fmt::Debug + fmt::Display {
    /// Whether the settings are within their ranges and fit the input.
    fn check(&self, _input: &[usize]) -> Result<(), LayerError> {
        Ok(())
    }

    /// As [`Kind::parameters`].
    fn parameters(&self, _input: &[usize]) -> Vec<ParameterSpec> {
        Vec::new()
    }

    /// As [`Kind::effect`].
    fn effect(&self) -> Effect {
        Effect::Computes
    }

    /// As [`Kind::is_random`].
    fn is_random(&self) -> bool {
        false
    }

    /// As [`Kind::fuses`].
    fn fuses(&self) -> Fuses {
        Fuses::Never
    }
}

impl<K: SameShape> Kind for K {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let input = one(inputs)?;
        self.check(input)?;
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        SameShape::parameters(self, input)
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::SamePlace
    }

    fn effect(&self, _: &[usize]) -> Effect {
        SameShape::effect(self)
    }

    fn is_random(&self) -> bool {
        SameShape::is_random(self)
    }

    fn fuses(&self) -> Fuses {
        SameShape::fuses(self)
    }
}

/// The work of a layer for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply–adds of convolutions and matrix products.
    pub multiply_adds: u64,
    /// Values that windows without weights look at, as poolings do.
    pub looked_at: u64,
}

impl Work {
    /// Little beside the layers that multiply: a constant number of steps for each value.
    pub const LITTLE: Self = Self { multiply_adds: 0, looked_at: 0 };

    /// The work of a layer that is a convolution; none where it doesn't fit the input.
    pub(crate) fn of_convolution(layer: &impl Kind, input: &[usize]) -> Self {
        let geometry = input.try_into().ok().and_then(|image| layer.convolution(image)?.ok());
        Self { multiply_adds: geometry.map_or(0, |geometry| geometry.multiply_adds()), ..Self::LITTLE }
    }

    /// That of a product with a matrix that has the output's columns: each value is multiplied by each of a row's.
    pub(crate) fn of_rows(input: &[usize], output: &[usize]) -> Self {
        let values = input.iter().fold(1, |values: u64, &extent| values.saturating_mul(extent as u64));
        let columns = output.last().map_or(0, |&columns| columns as u64);
        Self { multiply_adds: values.saturating_mul(columns), ..Self::LITTLE }
    }

    /// Multiply–adds and values looked at together.
    #[must_use]
    pub fn total(self) -> u64 {
        self.multiply_adds.saturating_add(self.looked_at)
    }
}

/// Which positions of its input an output position reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach<'a> {
    /// The same position.
    SamePlace,
    /// A window.
    Window {
        /// Extent `[rows, columns]`, in taps.
        kernel: [usize; 2],
        /// Steps `[down, right]` between neighbouring windows.
        stride: [usize; 2],
        /// Distance `[down, right]` between neighbouring taps.
        dilation: [usize; 2],
        /// Padding round the input.
        padding: Padding,
    },
    /// One row (axis 0) or column (axis 1) for each of the output's.
    Selected {
        /// The axis, 0 or 1.
        axis: usize,
        /// For each output index the input index.
        indices: &'a [usize],
    },
    /// Those of a picture of another scale.
    Scaled,
    /// All channels of the same position, for each index of the axes before the channels.
    Channels,
    /// One row of the first of two inputs, and all rows of the second.
    Rows,
    /// Positions that don't correspond to the output's, such as all of them.
    Lost,
}

/// What a layer does in evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Its output differs from its input.
    Computes,
    /// It passes its values on as they are.
    PassesOn,
}

/// The part that a layer can have in a chain of layers that are computed together: one that multiplies, then a map of each
/// channel, a sum with another layer's output and a function of each element, each of which may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fuses {
    /// None: it is computed by itself.
    Never,
    /// It begins a chain.
    Begins,
    /// A batch norm: in evaluation it is a map of each channel, in training it begins a chain.
    BatchNorm,
    /// It is a map of each channel.
    Affine,
    /// It adds its two inputs.
    Sum,
    /// It multiplies its two inputs: x·f(x) is a function of each element.
    Product,
    /// It is a function of each element.
    Function {
        /// Whether its derivative is computed from its output.
        by_output: bool,
    },
}
