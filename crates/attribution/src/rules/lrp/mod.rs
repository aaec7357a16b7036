//! Layer-wise relevance propagation.
//!
//! Relevance R is a share of the score, handed from each output of a layer to its inputs in proportion to what they
//! contributed. (Bach, Binder, Montavon, Klauschen, Müller and Samek, *On Pixel-Wise Explanations for Non-Linear
//! Classifier Decisions by Layer-Wise Relevance Propagation*, 2015; Montavon, Binder, Lapuschkin, Samek and Müller,
//! *Layer-Wise Relevance Propagation: An Overview*, 2019.)
//!
//! On the way back the tape carries g, where R = x ⊙ g at a value x. In that form most operations need no reading of their
//! own: what passes back through a ReLU, a maximum, a mean, a sum or a concatenation is what the chain rule says. A rule of
//! LRP answers for the layers of products alone ([`LrpRule`]), and [`Lrp`] says which layer is read by which rule.

mod alpha_beta;
mod epsilon;
mod flat;
mod on_tape;
mod products;
#[cfg(test)]
mod tests;
mod z_box;

use std::fmt::Debug;
use std::sync::Arc;

use nn::{Model, Real};
use tensor::Tensor;

pub use alpha_beta::AlphaBeta;
pub use epsilon::Epsilon;
pub use flat::Flat;
pub use on_tape::LrpOnTape;
pub use products::Products;
pub use z_box::ZBox;

/// How one layer of products y = x ∗ w + b hands relevance on to its input.
pub trait LrpRule<T: Real>: Debug + Send + Sync {
    /// As it is called in the literature: `ε = 1e-6`, `z⁺`.
    fn name(&self) -> String;

    /// What is handed on, as a sum of parts. What arrives, `upstream`, is g with R = y ⊙ g at the output y
    /// ([`Products::relevance`]).
    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>>;

    /// What stays behind in each output, `[N, Ho, Wo, Cout]`: the share of the bias, and whatever else the rule doesn't hand
    /// on. The relevance handed on and this add up to R.
    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T>;

    /// Whether it reads something [instead](Inputs::Instead) of the input, and so gives relevance to pixels of value zero, too:
    /// then it has a meaning for the image alone.
    fn for_image(&self) -> bool {
        false
    }

    /// Whether the rule has a meaning for this layer.
    ///
    /// # Errors
    /// Says in words why it has none.
    fn check(&self, layer: &Products<T>) -> Result<(), String> {
        let _ = layer;
        Ok(())
    }
}

/// A part of what a layer hands on: Rᵢ = xᵢ Σⱼ wᵢⱼ sⱼ for some reading of x.
#[derive(Clone, Debug)]
pub struct Part<T: Real> {
    /// Which inputs x it goes to.
    pub inputs: Inputs<T>,
    /// w, in the shape of the layer's weight.
    pub weight: Tensor<T>,
    /// s, in the shape of the layer's output.
    pub shares: Tensor<T>,
}

/// A reading of a layer's input.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Inputs<T: Real> {
    /// All of x.
    All,
    /// x⁺ = max(x, 0).
    Positive,
    /// x⁻ = min(x, 0).
    Negative,
    /// Something else, in the shape of x.
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

/// Which layer is read by which rule of layer-wise relevance propagation.
///
/// ```
/// use attribution::rules::{AlphaBeta, Epsilon, Flat, Layers, Lrp};
/// // ε in the fully connected layers, z⁺ in the convolutions, the flat rule at the image:
/// let lrp: Lrp = Lrp::everywhere(Epsilon(1e-6))
///     .with(Layers::Convolutions, AlphaBeta::Z_PLUS)
///     .with(Layers::First, Flat);
/// // α = 2 in one layer:
/// let lrp = lrp.with("conv3", AlphaBeta { alpha: 2.0 });
/// ```
#[derive(Clone, Debug)]
pub struct Lrp<T: Real = f32> {
    everywhere: Arc<dyn LrpRule<T>>,
    /// The last that fits counts.
    exceptions: Vec<(Layers, Arc<dyn LrpRule<T>>)>,
}

impl<T: Real> Lrp<T> {
    /// The same rule in every layer.
    #[must_use]
    pub fn everywhere(rule: impl LrpRule<T> + 'static) -> Self {
        Self { everywhere: Arc::new(rule), exceptions: Vec::new() }
    }

    /// Another rule in these layers. Of several that fit a layer, the one said last counts.
    #[must_use]
    pub fn with(mut self, layers: impl Into<Layers>, rule: impl LrpRule<T> + 'static) -> Self {
        self.exceptions.push((layers.into(), Arc::new(rule)));
        self
    }

    /// What Montavon et al. 2019, §10.3, advise for pictures: ε in the fully connected layers, z⁺ in the convolutions, and in
    /// the first layer zᴮ between black and white; the flat rule, where the model doesn't say what these are.
    #[must_use]
    pub fn by_depth(model: &Model<T>) -> Self {
        let lrp = Self::everywhere(Epsilon::default()).with(Layers::Convolutions, AlphaBeta::Z_PLUS);
        match ZBox::of_pictures(model) {
            Some(z_box) => lrp.with(Layers::First, z_box),
            None => lrp.with(Layers::First, Flat),
        }
    }
}

/// a / b, and zero where there is nothing to divide by.
fn share<T: Real>(a: T, b: T) -> T {
    if b.is_zero() { T::zero() } else { a / b }
}

/// min(x, 0) of every element.
fn negative_part<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    x.clone().map(|x| if x > T::zero() { T::zero() } else { x })
}
