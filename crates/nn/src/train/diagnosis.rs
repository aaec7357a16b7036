//! Finding the first value that isn't finite.

use std::fmt;

use tensor::Tensor;

use crate::layers::run::Mode;
use crate::model::{Model, Source};

/// The first value of a step, in the order of computation, that is NaN or infinite.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A value of the normalised images.
    Images,
    /// An output of the frozen trunk, whose last layer this is.
    Trunk(String),
    /// A weight, which the step before changed.
    Weights(String),
    /// An output of a layer.
    Output {
        /// The layer's name.
        layer: String,
        /// What it computes, in a few words.
        kind: String,
    },
    /// The loss, though all scores are finite.
    Loss,
    /// The gradient of this parameter.
    Gradient(String),
    /// The norm of all gradients, though each of them is finite.
    GradientNorm,
}

impl Origin {
    /// What the training noticed: that the loss isn't finite, or the gradient.
    pub(super) fn quantity(&self) -> &'static str {
        match self {
            Self::Gradient(_) | Self::GradientNorm => "the gradient",
            _ => "the loss",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Images | Self::Trunk(_) => "look at the data and their normalization",
            Self::Loss => "look at the loss",
            _ => "try a smaller learning rate, a longer warm-up, or gradients clipped to a norm such as 1",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Images => f.write_str("the images themselves"),
            Self::Trunk(layer) => write!(f, "what frozen layers up to `{layer}` give"),
            Self::Weights(parameter) => write!(f, "the weights `{parameter}`, which the step before had changed"),
            Self::Output { layer, kind } => write!(f, "the output of layer `{layer}` ({kind})"),
            Self::Loss => f.write_str("the loss itself, of finite scores"),
            Self::Gradient(parameter) => write!(f, "the gradient of `{parameter}`"),
            Self::GradientNorm => f.write_str("the norm of all gradients together"),
        }
    }
}

fn finite(values: &Tensor<f32>) -> bool {
    values.as_slice().iter().all(|x| x.is_finite())
}

/// Why the loss isn't finite. `values` are the outputs of the trunk. The forward pass is repeated, and all of its values are
/// checked in the order of computation.
pub(super) fn of_loss(model: &Model<f32>, trunk: Source, values: &Tensor<f32>, seed: u64) -> Origin {
    let (first, given) = match trunk {
        Source::Image => (0, Origin::Images),
        Source::Layer(layer) => (layer + 1, Origin::Trunk(model.layers()[layer].name.clone())),
    };
    if !finite(values) {
        return given;
    }
    let outputs = model.every_output(trunk, values.clone(), Mode::Training { seed });
    for (index, node) in model.layers().iter().enumerate().skip(first) {
        if let Some(broken) = model.parameters()[node.parameters.clone()].iter().find(|p| !finite(&p.value)) {
            return Origin::Weights(broken.name.clone());
        }
        if outputs[index].as_ref().is_some_and(|output| !finite(output)) {
            return Origin::Output { layer: node.name.clone(), kind: node.layer.to_string() };
        }
    }
    Origin::Loss
}

/// Why the norm of the gradients isn't finite: the backward pass computes them from the last parameter to the first.
pub(super) fn of_gradients(model: &Model<f32>, gradients: &[(usize, Tensor<f32>)]) -> Origin {
    match gradients.iter().rev().find(|(_, gradient)| !finite(gradient)) {
        Some((index, _)) => Origin::Gradient(model.parameters()[*index].name.clone()),
        None => Origin::GradientNorm,
    }
}
