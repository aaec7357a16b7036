//! LRP-αβ, and z⁺.

use nn::Real;
use tensor::{Reason, Tensor};

use super::{Inputs, LrpRule, Part, Products, negative_part, share};
use crate::rules::Refusal;

/// LRP-αβ: the positive and the negative contributions to a unit get separate shares, with weights α and β = α − 1. (Bach
/// et al. 2015, where β has the opposite sign; Montavon et al. 2019.)
///
/// ```text
/// Rᵢ = Σⱼ (xᵢ wᵢⱼ)⁺ pⱼ − (xᵢ wᵢⱼ)⁻ qⱼ,   pⱼ = α Rⱼ/zⱼ⁺,   qⱼ = β Rⱼ/zⱼ⁻,   zⱼ± = Σᵢ (xᵢ wᵢⱼ)± + bⱼ±
/// ```
///
/// where (x w)⁺ = x⁺w⁺ + x⁻w⁻ and (x w)⁻ = x⁺w⁻ + x⁻w⁺. The bias keeps its part of either sum. If z⁺ or z⁻ is zero, the
/// unit itself keeps that share of its relevance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlphaBeta {
    /// α, at least 1.
    pub alpha: f64,
}

impl AlphaBeta {
    /// α = 1, β = 0: the z⁺ rule, which gives no negative relevance. (Montavon, Lapuschkin, Binder, Samek and Müller,
    /// *Explaining Nonlinear Classification Decisions with Deep Taylor Decomposition*, 2017.)
    pub const Z_PLUS: Self = Self { alpha: 1.0 };

    fn beta(self) -> f64 {
        self.alpha - 1.0
    }
}

/// x⁺ and x⁻.
pub(super) fn signs<T: Real>(x: &Tensor<T>) -> [Tensor<T>; 2] {
    [x.positive_part(), negative_part(x)]
}

/// z⁺ or z⁻: x⁺ with the first of two weights, x⁻ with the second, and a part of the bias.
pub(super) fn sums<T: Real>(layer: &Products<T>, weights: [&Tensor<T>; 2], bias: impl Fn(T) -> T) -> Tensor<T> {
    let [with_positive, with_negative] = signs(layer.input());
    let z = layer.forward(&with_positive, weights[0]).zip(&layer.forward(&with_negative, weights[1]), |a, b| a + b);
    layer.plus_bias(z, bias)
}

pub(super) fn positive<T: Real>(x: T) -> T {
    x.max(T::zero())
}

pub(super) fn negative<T: Real>(x: T) -> T {
    x.min(T::zero())
}

impl<T: Real> LrpRule<T> for AlphaBeta {
    fn name(&self) -> String {
        if *self == Self::Z_PLUS { "z⁺".into() } else { format!("αβ, α = {}", self.alpha) }
    }

    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>> {
        let relevance = layer.relevance(upstream);
        let [w_pos, w_neg] = signs(layer.weight());
        let (alpha, minus_beta) = (T::from_f64(self.alpha), T::from_f64(-self.beta()));
        let two = |weights: [&Tensor<T>; 2], shares: Tensor<T>| {
            let [for_positive, for_negative] = weights.map(Tensor::clone);
            [
                Part { inputs: Inputs::Positive, weight: for_positive, shares: shares.clone() },
                Part { inputs: Inputs::Negative, weight: for_negative, shares },
            ]
        };
        let supporting = [&w_pos, &w_neg];
        let p = relevance.clone().zip(&sums(layer, supporting, positive), |r, z| alpha * share(r, z));
        let mut parts = Vec::from(two(supporting, p));
        if self.beta() != 0.0 {
            let opposing = [&w_neg, &w_pos];
            let minus_q = relevance.zip(&sums(layer, opposing, negative), |r, z| minus_beta * share(r, z));
            parts.extend(two(opposing, minus_q));
        }
        parts
    }

    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T> {
        let relevance = layer.relevance(upstream);
        let [w_pos, w_neg] = signs(layer.weight());
        // factor · R · b±/z±, or factor · R where z± is zero.
        let side = |factor: f64, weights: [&Tensor<T>; 2], part: fn(T) -> T| {
            let (factor, z) = (T::from_f64(factor), sums(layer, weights, part));
            let bias = layer.plus_bias(Tensor::zeros(z.shape()), part);
            let fraction = bias.zip(&z, |b, z| if z.is_zero() { T::one() } else { b / z });
            fraction.zip(&relevance, |fraction, r| factor * fraction * r)
        };
        let positive_side = side(self.alpha, [&w_pos, &w_neg], positive);
        positive_side.zip(&side(self.beta(), [&w_neg, &w_pos], negative), |p, q| p - q)
    }

    fn check(&self, _: &Products<T>) -> Result<(), Reason> {
        if self.alpha >= 1.0 { Ok(()) } else { Err(Refusal::Alpha(self.alpha).into()) }
    }
}
