//! The zᴮ rule.

use nn::{Model, Real};
use tensor::{Reason, Tensor};

use super::{Inputs, LrpRule, Part, Products, negative_part, share};
use crate::rules::Refusal;

/// The zᴮ rule, for an image whose values lie in a box, lᵢ ≤ xᵢ ≤ hᵢ. (Montavon, Lapuschkin, Binder, Samek and Müller,
/// *Explaining Nonlinear Classification Decisions with Deep Taylor Decomposition*, 2017; Montavon et al. 2019, §10.3.2.)
///
/// ```text
/// Rᵢ = Σⱼ (xᵢ wᵢⱼ − lᵢ wᵢⱼ⁺ − hᵢ wᵢⱼ⁻) / zⱼ · Rⱼ,   zⱼ = Σᵢ (xᵢ wᵢⱼ − lᵢ wᵢⱼ⁺ − hᵢ wᵢⱼ⁻)
/// ```
///
/// No term of z is negative: a pixel counts by its distance from the end of the box that would lower the unit's value
/// most. So black pixels can get relevance too. The bias gets none.
#[derive(Clone, Debug, PartialEq)]
pub struct ZBox {
    /// l, one for each channel.
    pub low: Vec<f64>,
    /// h, one for each channel.
    pub high: Vec<f64>,
}

impl ZBox {
    /// The box from black to white under the model's normalization; `None` if it has none.
    #[must_use]
    pub fn of_pictures<T: Real>(model: &Model<T>) -> Option<Self> {
        let normalization = model.info().normalization.as_ref()?;
        let level = |byte: u8| {
            let mut values: Vec<f32> = Vec::new();
            normalization.apply(&vec![byte; model.input_shape()[2]], &mut values);
            values.into_iter().map(f64::from).collect()
        };
        Some(Self { low: level(0), high: level(255) })
    }

    /// The three terms: the values that replace x, and their weights.
    fn terms<T: Real>(&self, layer: &Products<T>) -> [(Tensor<T>, Tensor<T>); 3] {
        let shape = layer.input().shape();
        let minus = |values: &[f64]| Tensor::from_fn(shape, |i| T::from_f64(-values[i % values.len()]));
        let (x, w) = (layer.input(), layer.weight());
        [(x.clone(), w.clone()), (minus(&self.low), w.positive_part()), (minus(&self.high), negative_part(w))]
    }
}

/// z.
fn sums<T: Real>(layer: &Products<T>, terms: &[(Tensor<T>, Tensor<T>); 3]) -> Tensor<T> {
    let [x, low, high] = terms.each_ref().map(|(x, w)| layer.forward(x, w));
    x.zip(&low, |a, b| a + b).zip(&high, |a, b| a + b)
}

impl<T: Real> LrpRule<T> for ZBox {
    fn name(&self) -> String {
        "zᴮ".into()
    }

    fn parts(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Vec<Part<T>> {
        let terms = self.terms(layer);
        let shares = layer.relevance(upstream).zip(&sums(layer, &terms), share);
        let part = |(x, weight)| Part { inputs: Inputs::Instead(x), weight, shares: shares.clone() };
        terms.map(part).into()
    }

    fn kept(&self, layer: &Products<T>, upstream: &Tensor<T>) -> Tensor<T> {
        let z = sums(layer, &self.terms(layer));
        layer.relevance(upstream).zip(&z, |r, z| if z.is_zero() { r } else { T::zero() })
    }

    fn for_image(&self) -> bool {
        true
    }

    fn check(&self, layer: &Products<T>) -> Result<(), Reason> {
        let (low, high, channels) = (self.low.len(), self.high.len(), layer.channels());
        if [low, high] == [channels; 2] { Ok(()) } else { Err(Refusal::Bounds { channels, low, high }.into()) }
    }
}
