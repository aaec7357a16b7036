//! LRP-γ.

use nn::Real;
use tensor::{Reason, Tensor};

use super::alpha_beta::{negative, positive, signs, sums};
use super::{Inputs, LrpRule, Part, Products, share};
use crate::rules::Refusal;

/// LRP-γ: contributions of the sign of the unit's sum count 1 + γ times, so that relevances of both signs grow less than under
/// LRP-ε. (Montavon et al. 2019, §10.2.1, for inputs and sums of at least 0; Andéol, Kawakami, Wada, Kanamori, Müller and Montavon,
/// *Learning Domain Invariant Representations by Joint Wasserstein Distance Minimization*, 2021, for both signs.)
///
/// ```text
/// Rᵢ = Σⱼ (xᵢ wᵢⱼ + γ (xᵢ wᵢⱼ)⁺) / zⱼ · Rⱼ,   zⱼ = yⱼ + γ (Σᵢ (xᵢ wᵢⱼ)⁺ + bⱼ⁺),   yⱼ = Σᵢ xᵢ wᵢⱼ + bⱼ > 0
/// ```
///
/// and with (·)⁻ in place of (·)⁺ where yⱼ < 0. With γ = 0 it is LRP-0; for γ → ∞ it becomes z⁺ where yⱼ > 0. The bias
/// keeps its part of the sum. No z is smaller than |y|, so nothing needs to be stabilized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gamma(pub f64);

impl Default for Gamma {
    /// 0.25.
    fn default() -> Self {
        Self(0.25)
    }
}

/// Units whose sum is positive, or those whose sum is negative.
struct Side<T: Real> {
    /// The weights of x⁺ and of x⁻.
    weights: [Tensor<T>; 2],
    /// R/z, and zero for the other units.
    shares: Tensor<T>,
    /// (·)⁺ or (·)⁻.
    part: fn(T) -> T,
}

impl Gamma {
    /// b + γ b±.
    fn bias<T: Real>(self, part: fn(T) -> T) -> impl Fn(T) -> T {
        let gamma = T::from_f64(self.0);
        move |b| b + gamma * part(b)
    }

    fn sides<T: Real>(self, layer: &Products<T>, upstream: &Tensor<T>) -> [Side<T>; 2] {
        let gamma = T::from_f64(self.0);
        let weights = || signs(layer.weight()).map(|part| part.zip(layer.weight(), |part, w| w + gamma * part));
        let [for_it, against] = weights();
        let [favoured, opposed] = [[for_it.clone(), against.clone()], [against, for_it]];
        let relevance = layer.relevance(upstream);
        let side = |weights: [Tensor<T>; 2], part: fn(T) -> T| {
            let z = sums(layer, weights.each_ref(), self.bias(part));
            let own = relevance.clone().zip(layer.output(), |r, y| if part(y).is_zero() { T::zero() } else { r });
            Side { shares: own.zip(&z, share), weights, part }
        };
        [side(favoured, positive), side(opposed, negative)]
    }
}

impl<T: Real> LrpRule<T> for Gamma {
    fn name(&self) -> String {
        format!("γ = {}", self.0)
    }

    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>> {
        let parts = |Side { weights: [of_positive, of_negative], shares, .. }| {
            [
                Part { inputs: Inputs::Positive, weight: of_positive, shares: Tensor::clone(&shares) },
                Part { inputs: Inputs::Negative, weight: of_negative, shares },
            ]
        };
        self.sides(layer, upstream).into_iter().flat_map(parts).collect()
    }

    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T> {
        let [kept, other] = self.sides(layer, upstream).map(|Side { shares, part, .. }| {
            layer.plus_bias(Tensor::zeros(shares.shape()), self.bias(part)).zip(&shares, |b, s| b * s)
        });
        kept.zip(&other, |a, b| a + b)
    }

    fn check(&self, _: &Products<T>) -> Result<(), Reason> {
        if self.0 >= 0.0 { Ok(()) } else { Err(Refusal::Gamma(self.0).into()) }
    }
}
