//! The w² rule.

use nn::Real;
use tensor::Tensor;

use super::{Inputs, LrpRule, Part, Products, share};

/// The w² rule, for an image whose values have no bounds: an input's share depends on its weight alone. (Montavon, Lapuschkin,
/// Binder, Samek and Müller, *Explaining Nonlinear Classification Decisions with Deep Taylor Decomposition*, 2017, §4.1;
/// Montavon et al. 2019, Table 10.1.)
///
/// ```text
/// Rᵢ = Σⱼ wᵢⱼ² / Σᵢ wᵢⱼ² · Rⱼ
/// ```
///
/// The sum is over the inputs that j reads, without padding. The bias gets nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WSquare;

/// x = 1, w², and Σᵢ wᵢⱼ².
fn squares<T: Real>(layer: &Products<T>) -> [Tensor<T>; 3] {
    let ones = Tensor::full(layer.input().shape(), T::one());
    let squares = layer.weight().clone().map(|w| w * w);
    let sums = layer.forward(&ones, &squares);
    [ones, squares, sums]
}

impl<T: Real> LrpRule<T> for WSquare {
    fn name(&self) -> String {
        "w²".into()
    }

    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>> {
        let [ones, weight, sums] = squares(layer);
        vec![Part { inputs: Inputs::Instead(ones), weight, shares: layer.relevance(upstream).zip(&sums, share) }]
    }

    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T> {
        let [_, _, sums] = squares(layer);
        layer.relevance(upstream).zip(&sums, |r, sum| if sum.is_zero() { r } else { T::zero() })
    }

    fn for_image(&self) -> bool {
        true
    }
}
