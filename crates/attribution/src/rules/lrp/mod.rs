//! Layer-wise relevance propagation.
//!
//! Relevance R is a share of the score. Each output of a layer distributes its relevance among its inputs in proportion to
//! their contributions. (Bach, Binder, Montavon, Klauschen, Müller and Samek, *On Pixel-Wise Explanations for Non-Linear
//! Classifier Decisions by Layer-Wise Relevance Propagation*, 2015; Montavon, Binder, Lapuschkin, Samek and Müller,
//! *Layer-Wise Relevance Propagation: An Overview*, 2019.)
//!
//! The backward pass carries g, where R = x ⊙ g at a value x. In that form most operations follow the chain rule: a ReLU,
//! a maximum, a mean, a sum, a concatenation, and a softmax. A rule of LRP ([`LrpRule`]) applies to layers of products, and
//! [`Composite`] chooses a rule for each of these layers. Activations, products of two values and layer norms are read as
//! AttnLRP reads them (Achtibat, Hatefi, Dreyer, Jain, Wiegand, Lapuschkin and Samek, *AttnLRP: Attention-Aware Layer-Wise
//! Relevance Propagation for Transformers*, 2024). A sigmoid that multiplies another value is a gate, which gets no relevance.

mod alpha_beta;
mod epsilon;
mod flat;
mod gamma;
mod gates;
mod on_tape;
mod products;
mod reading;
#[cfg(test)]
mod tests;
mod w_square;
mod z_box;

use std::fmt::Debug;
use std::sync::Arc;

use nn::Real;
use tensor::{Reason, Tensor};

pub use alpha_beta::AlphaBeta;
pub use epsilon::Epsilon;
pub use flat::Flat;
pub use gamma::Gamma;
pub use on_tape::LrpOnTape;
pub use products::Products;
pub(crate) use reading::Reading;
pub use w_square::WSquare;
pub use z_box::ZBox;

/// How one layer of products y = x ∗ w + b distributes its relevance among its inputs.
pub trait LrpRule<T: Real>: Debug + Send + Sync {
    /// Its name in the literature: `ε = 1e-6`, `z⁺`.
    fn name(&self) -> String;

    /// The relevance of the inputs, as a sum of parts. `upstream` is g, where R = y ⊙ g at the output y
    /// ([`Products::relevance`]).
    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>>;

    /// The relevance that each output keeps, `[N, Ho, Wo, Cout]`: the bias's share, and all else that the inputs don't
    /// get. Together with the relevance of the inputs it adds up to R.
    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T>;

    /// Whether the rule reads [other values](Inputs::Instead) than the input, and so gives relevance to zero pixels
    /// too. Such a rule is only for the image.
    fn for_image(&self) -> bool {
        false
    }

    /// Checks that the rule applies to this layer.
    ///
    /// # Errors
    /// If it doesn't apply.
    fn check(&self, layer: &Products<T>) -> Result<(), Reason> {
        let _ = layer;
        Ok(())
    }
}

/// A part of the relevance of a layer's inputs: Rᵢ = xᵢ Σⱼ wᵢⱼ sⱼ, where x may be replaced.
#[derive(Clone, Debug)]
pub struct Part<T: Real> {
    /// The values of x.
    pub inputs: Inputs<T>,
    /// w, in the shape of the layer's weight.
    pub weight: Tensor<T>,
    /// s, in the shape of the layer's output.
    pub shares: Tensor<T>,
}

/// The values that replace a layer's input in a part.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Inputs<T: Real> {
    /// All of x.
    All,
    /// x⁺ = max(x, 0).
    Positive,
    /// x⁻ = min(x, 0).
    Negative,
    /// Other values, in the shape of x.
    Instead(Tensor<T>),
}

/// Layers of products, by kind or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layers {
    /// Convolutions.
    Convolutions,
    /// Fully connected layers.
    FullyConnected,
    /// Layers of either kind that read the image.
    First,
    /// The layer of this name.
    Named(String),
}

impl From<&str> for Layers {
    fn from(name: &str) -> Self {
        Self::Named(name.into())
    }
}

/// The rules of layer-wise relevance propagation for the layers of a model.
///
/// ```
/// use attribution::rules::{AlphaBeta, Epsilon, Flat, Layers, Composite};
/// // ε in the fully connected layers, z⁺ in the convolutions, the flat rule at the image:
/// let lrp: Composite = Composite::everywhere(Epsilon(1e-6))
///     .with(Layers::Convolutions, AlphaBeta::Z_PLUS)
///     .with(Layers::First, Flat);
/// // α = 2 in one layer:
/// let lrp = lrp.with("conv3", AlphaBeta { alpha: 2.0 });
/// ```
#[derive(Clone, Debug)]
pub struct Composite<T: Real = f32> {
    everywhere: Arc<dyn LrpRule<T>>,
    /// The rules for some layers. The last one that matches a layer applies.
    exceptions: Vec<(Layers, Arc<dyn LrpRule<T>>)>,
}

impl<T: Real> Composite<T> {
    /// Applies the same rule to every layer.
    #[must_use]
    pub fn everywhere(rule: impl LrpRule<T> + 'static) -> Self {
        Self { everywhere: Arc::new(rule), exceptions: Vec::new() }
    }

    /// Applies another rule to these layers. If several rules match a layer, the last one applies.
    #[must_use]
    pub fn with(mut self, layers: impl Into<Layers>, rule: impl LrpRule<T> + 'static) -> Self {
        self.exceptions.push((layers.into(), Arc::new(rule)));
        self
    }
}

/// a / b, and zero if b is zero.
fn share<T: Real>(a: T, b: T) -> T {
    if b.is_zero() { T::zero() } else { a / b }
}

/// min(x, 0) of every element.
fn negative_part<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    x.clone().map(|x| if x > T::zero() { T::zero() } else { x })
}
