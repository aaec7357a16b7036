//! The flat rule.

use nn::Real;
use tensor::Tensor;

use super::{Inputs, LrpRule, Part, Products, share};

/// The flat rule, for the image: all inputs of a unit get the same share. (Lapuschkin, Binder, Müller and Samek,
/// *Understanding and Comparing Deep Neural Networks for Age and Gender Classification*, 2017; Montavon et al. 2019,
/// Table 10.1.)
///
/// ```text
/// Rᵢ = Σⱼ 1/nⱼ · Rⱼ   over the units j that read i
/// ```
///
/// where nⱼ is the number of inputs that j reads, without padding. The map shows which part of the image mattered, but
/// not which of its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flat;

fn ones<T: Real>(like: &Tensor<T>) -> Tensor<T> {
    Tensor::full(like.shape(), T::one())
}

/// n.
fn counts<T: Real>(layer: &Products<T>) -> Tensor<T> {
    layer.forward(&ones(layer.input()), &ones(layer.weight()))
}

impl<T: Real> LrpRule<T> for Flat {
    fn name(&self) -> String {
        "flat".into()
    }

    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>> {
        let shares = layer.relevance(upstream).zip(&counts(layer), share);
        vec![Part { inputs: Inputs::Instead(ones(layer.input())), weight: ones(layer.weight()), shares }]
    }

    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T> {
        // A window within the padding reads no input.
        layer.relevance(upstream).zip(&counts(layer), |r, n| if n.is_zero() { r } else { T::zero() })
    }

    fn for_image(&self) -> bool {
        true
    }
}
