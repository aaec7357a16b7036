//! LRP-ε.

use nn::Real;
use tensor::{Reason, Tensor};

use super::{Inputs, LrpRule, Part, Products};
use crate::rules::Refusal;

/// LRP-ε: every input gets its part of the sum, and the stabilizer ε absorbs relevance where the sum is near zero. (Bach
/// et al. 2015; Montavon et al. 2019, §10.2.1.)
///
/// ```text
/// Rᵢ = Σⱼ xᵢ wᵢⱼ sⱼ,   sⱼ = Rⱼ / (yⱼ + ε·sign yⱼ),   yⱼ = Σᵢ xᵢ wᵢⱼ + bⱼ,   sign 0 = 1
/// ```
///
/// With ε = 0 (LRP-0) and Rⱼ = yⱼ gⱼ this is the chain rule. The bias keeps bⱼ sⱼ, the stabilizer ε·sign yⱼ · sⱼ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epsilon(pub f64);

impl Default for Epsilon {
    /// 10⁻⁶.
    fn default() -> Self {
        Self(1e-6)
    }
}

impl Epsilon {
    /// s, from g: Rⱼ = yⱼ gⱼ, so that with ε = 0 the division cancels.
    fn shares<T: Real>(self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T> {
        match T::from_f64(self.0) {
            epsilon if epsilon.is_zero() => upstream.clone(),
            epsilon => upstream.clone().zip(layer.output(), |g, y| g * (y / (y + signed(epsilon, y)))),
        }
    }
}

/// ε·sign y.
fn signed<T: Real>(epsilon: T, y: T) -> T {
    if y < T::zero() { -epsilon } else { epsilon }
}

impl<T: Real> LrpRule<T> for Epsilon {
    fn name(&self) -> String {
        format!("ε = {:e}", self.0)
    }

    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>> {
        vec![Part { inputs: Inputs::All, weight: layer.weight().clone(), shares: self.shares(layer, upstream) }]
    }

    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T> {
        let epsilon = T::from_f64(self.0);
        let stabilizer = layer.output().clone().map(|y| signed(epsilon, y));
        self.shares(layer, upstream).zip(&layer.plus_bias(stabilizer, |b| b), |s, kept| s * kept)
    }

    fn check(&self, _: &Products<T>) -> Result<(), Reason> {
        if self.0 >= 0.0 { Ok(()) } else { Err(Refusal::Epsilon(self.0).into()) }
    }
}
