//! Reasons for refusing a model.

use std::fmt;

use nn::Real;
use tensor::Node;
use thiserror::Error;

/// The reason why a backward rule, a full gradient or a certificate doesn't apply to a model.
///
/// A rule's refusal is the `reason` of [`BackwardError::Refused`](tensor::BackwardError::Refused).
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An activation other than ReLU, or another operation to which rules for ReLUs can't apply the chain rule.
    #[error(
        "the rule replaces ReLUs, and is not defined for the {0}; use gradient, input × gradient or integrated gradients"
    )]
    NotRectifier(Operation),
    /// A model without a ReLU.
    #[error("there is no ReLU on the path to the image, so the map would be the plain gradient; use gradient")]
    NoRectifier,
    /// An operation that relevance can't be propagated through.
    #[error("LRP has no rule for the {0}; use gradient, input × gradient or integrated gradients")]
    NoRelevance(Operation),
    /// An operation, other than a product, of two values that both depend on the image.
    #[error("LRP has no rule for the {0}, both of whose inputs depend on the image")]
    BothInputs(Operation),
    /// An operation that was recorded after the rule was made for the tape.
    #[error("the {0} was recorded after the rule was made")]
    RecordedLater(Operation),
    /// An operation that the rescale rule has no reading of.
    #[error("DeepLIFT has no rule for the {0}; use integrated gradients, or LRP")]
    NoMultiplier(Operation),
    /// An operation that the reference pass of the rescale rule doesn't have.
    #[error("the reference has no value for the {0}: record it with the same model and as many images")]
    NoReference(Operation),
    /// An LRP rule for a layer name that the model doesn't have.
    #[error("there is no convolution or fully connected layer `{layer}`; found {}", found.join(", "))]
    NoLayer {
        /// The name.
        layer: String,
        /// The convolutions and fully connected layers.
        found: Vec<String>,
    },
    /// A rule for the image, applied to a layer that reads another layer.
    #[error("{rule} is for layers that read the image; the {operation} reads another layer")]
    NotFirst {
        /// The rule.
        rule: String,
        /// The layer.
        operation: Operation,
    },
    /// An operation that reads the image besides the layer with a rule for the image.
    #[error(
        "the {0} reads the image, too, and only a convolution or fully connected layer can be read by a rule for the \
         image"
    )]
    AlsoFirst(Operation),
    /// An invalid α of [`AlphaBeta`](super::AlphaBeta).
    #[error("α must be at least 1, found {0}")]
    Alpha(f64),
    /// An invalid ε of [`Epsilon`](super::Epsilon).
    #[error("ε must not be negative, found {0}")]
    Epsilon(f64),
    /// An invalid γ of [`Gamma`](super::Gamma).
    #[error("γ must not be negative, found {0}")]
    Gamma(f64),
    /// Invalid bounds of [`ZBox`](super::ZBox).
    #[error("zᴮ needs two bounds for each of {channels} channels, found {low} lower and {high} upper ones")]
    Bounds {
        /// The number of channels of the layer's input.
        channels: usize,
        /// The number of lower bounds.
        low: usize,
        /// The number of upper bounds.
        high: usize,
    },
    /// An operation whose bias term is unknown.
    #[error("FullGrad does not know the bias term of the {0}")]
    UnknownBias(Operation),
    /// An operation without a known rounding bound.
    #[error("no rounding bound is known for the {0}")]
    UnknownRounding(Operation),
}

/// An operation of a model, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its [name](tensor::Op::name).
    pub name: &'static str,
    /// The layer that contains it.
    pub layer: Option<String>,
}

impl Operation {
    pub(crate) fn of<T: Real>(node: &Node<T>) -> Self {
        Self { name: node.any_op().name(), layer: node.label().map(String::from) }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.layer {
            Some(layer) => write!(f, "{} of layer `{layer}`", self.name),
            None => f.write_str(self.name),
        }
    }
}
