//! DeepLIFT's rescale rule.

use std::collections::BTreeSet;
use std::sync::Arc;

use nn::Real;
use tensor::{Grads, Nature, Node, NodeId, Reason, Rule, Tensor, Var, Wanted};

use super::{Operation, Refusal};
use crate::path::{computed_from, nature_in};

/// DeepLIFT's rescale rule: the backward pass carries multipliers m, so that m·Δx adds up to the change of the score, where Δ
/// is the difference between a pass and a reference pass. (Shrikumar, Greenside and Kundaje, *Learning Important Features
/// Through Propagating Activation Differences*, 2017, §3.5.1.)
///
/// ```text
/// mₓ = m_y · Δy / Δx          an activation, element by element
/// mₓ = m_y · ∂y/∂x            a linear operation
/// m_a = m_y · (b + b₀) / 2    a product of two values of the image, y = a·b
/// ```
///
/// Where Δx is zero, the chain rule applies. The change of a window's maximum is split at the larger of the two maxima: the
/// position of the image's maximum gets the rise to it, and the position of the reference's maximum gets the fall from it. The
/// rules for products and maxima are those of Lundberg's program *shap*; the paper has none.
#[derive(Debug)]
pub struct Rescale<T: Real> {
    /// The reference pass.
    nodes: Vec<Arc<Node<T>>>,
    /// The image, and all nodes computed from it.
    of_image: BTreeSet<NodeId>,
}

impl<T: Real> Rescale<T> {
    /// The rule for passes of the same model over as many images as in the pass that was recorded from `images`.
    #[must_use]
    pub fn against(images: &Var<T>) -> Self {
        let nodes = images.tape().nodes();
        let of_image = computed_from(&nodes, images.id());
        Self { nodes, of_image }
    }

    /// The same operation in the reference pass.
    pub(crate) fn reference(&self, node: &Node<T>) -> Option<&Node<T>> {
        let reference = self.nodes.get(node.id())?;
        let is_same = reference.any_op().name() == node.any_op().name() && reference.shape() == node.shape();
        is_same.then_some(reference)
    }

    /// How multipliers pass through an operation.
    pub(crate) fn reading(&self, node: &Node<T>) -> Option<Multiplier> {
        match nature_in(node, |id| self.of_image.contains(&id)) {
            Nature::Moves | Nature::Linear | Nature::Affine { .. } | Nature::Multilinear => Some(Multiplier::ChainRule),
            Nature::Rectifier { .. } | Nature::Bends | Nature::Smooth => Some(Multiplier::Quotient),
            Nature::Chooses => Some(Multiplier::Maximum),
            Nature::Other if node.any_op().nature() == Nature::Multilinear => Some(Multiplier::Product),
            Nature::Other => None,
        }
    }
}

/// How multipliers pass through an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multiplier {
    /// By the chain rule.
    ChainRule,
    /// Δy/Δx, element by element.
    Quotient,
    /// The multipliers at the positions of the two maxima, divided by Δx.
    Maximum,
    /// The mean of the chain rule at the image and at the reference.
    Product,
}

impl<T: Real> Rule<T> for Rescale<T> {
    fn name(&self) -> &'static str {
        "DeepLIFT"
    }

    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, wanted: Wanted<'_>) -> Option<Grads<T>> {
        let (reading, reference) = (self.reading(node)?, self.reference(node)?);
        let at = |node: &Node<T>, upstream: Tensor<T>| node.any_op().vjp(node, upstream, wanted).into_vec();
        let sum = |one: Vec<Option<Tensor<T>>>, other: Vec<Option<Tensor<T>>>| -> Vec<Option<Tensor<T>>> {
            one.into_iter().zip(other).map(|(a, b)| Some(a?.zip(&b?, |a, b| a + b))).collect()
        };
        let (y, y0) = (node.output(), reference.output());
        let change = match reading {
            Multiplier::ChainRule => return None,
            Multiplier::Product => {
                let half = upstream.clone().map(|m| T::from_f64(0.5) * m);
                return Some(Grads::new(sum(at(node, half.clone()), at(reference, half))));
            }
            Multiplier::Quotient => upstream.clone().zip(&y.clone().zip(y0, |y, y0| y - y0), |m, change| m * change),
            Multiplier::Maximum => {
                let top = y.clone().zip(y0, T::max);
                let rise = top.clone().zip(y0, |top, y0| top - y0).zip(upstream, |change, m| m * change);
                let fall = y.clone().zip(&top, |y, top| y - top).zip(upstream, |change, m| m * change);
                sum(at(node, rise), at(reference, fall)).swap_remove(0)?
            }
        };
        let mut gradients = at(node, upstream.clone());
        let multipliers = gradients[0].take()?;
        let apart = node.input(0).clone().zip(reference.input(0), |x, x0| x - x0);
        let chosen = Tensor::from_fn(multipliers.shape(), |i| {
            let [change, apart, multiplier] = [&change, &apart, &multipliers].map(|values| values.as_slice()[i]);
            if apart.is_zero() { multiplier } else { change / apart }
        });
        gradients[0] = Some(chosen);
        Some(Grads::new(gradients))
    }

    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), Reason> {
        for node in path {
            if self.reference(node).is_none() {
                return Err(Refusal::NoReference(Operation::of(node)).into());
            }
            if self.reading(node).is_none() {
                return Err(Refusal::NoMultiplier(Operation::of(node)).into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nn::layers::{
        Add, Apply, BatchNorm, ChannelMax, Conv2d, Elu, Gelu, GlobalAvgPool, HardSigmoid, LayerNorm, LeakyRelu, Linear,
        MaxPool, Mul, Relu, Sigmoid, Silu,
    };
    use nn::{Layer, Model, Pool2d};

    use super::*;
    use crate::methods::DeepLift;
    use crate::testing::wave;
    use crate::{Baseline, Pass};

    fn model(layers: impl IntoIterator<Item = Layer>) -> Model<f64> {
        let mut builder = Model::builder([8, 7, 2]).layer("conv1", Conv2d::new(4, 3)).layer("bn", BatchNorm::new());
        for (index, layer) in (0..).zip(layers) {
            builder = builder.layer(format!("act{index}"), layer);
        }
        builder
            .layer("conv2", Conv2d::new(4, 3))
            .layer("gap", GlobalAvgPool)
            .layer("fc", Linear::new(3))
            .build(5)
            .unwrap()
            .cast()
    }

    /// The sum of the map, and the difference of the scores.
    fn sums(model: &Model<f64>) -> [f64; 2] {
        let score = |images: Tensor<f64>| Pass::new(model, images).unwrap().scores(1).unwrap()[0];
        let image = wave::<f64>([1, 8, 7, 2], 3.0);
        let map =
            Pass::new(model, &image).unwrap().why(1).explain(&DeepLift { baseline: Baseline::Value(0.3) }).unwrap();
        [map.raw().sum(), score(image) - score(Tensor::full([1, 8, 7, 2], 0.3))]
    }

    #[test]
    fn what_arrives_is_the_difference_of_the_scores() {
        let overlapping = Pool2d { kernel: [3, 3], stride: [1, 2], padding: Default::default() };
        let layers: [Layer; 8] = [
            Relu.into(),
            LeakyRelu { slope: 0.2 }.into(),
            Elu { alpha: 1.0 }.into(),
            Silu.into(),
            Gelu { tanh: false }.into(),
            HardSigmoid { slope: 0.2, offset: 0.5 }.into(),
            MaxPool::new(2).into(),
            MaxPool(overlapping).into(),
        ];
        for layer in layers {
            let [found, expected] = sums(&model([layer.clone()]));
            assert!((found - expected).abs() < 1e-13 && expected.abs() > 1e-3, "{layer}: {found} and {expected}");
        }
        let [found, expected] = sums(&model([ChannelMax.into()]));
        assert!((found - expected).abs() < 1e-13, "channel max: {found} and {expected}");
    }

    /// A gate is a product of two values of the image: ΔY = ā·Δb + b̄·Δa.
    #[test]
    fn a_gate_shares_its_change_between_both_factors() {
        let gated = Model::builder([8, 7, 2])
            .layer("conv", Conv2d::new(4, 3))
            .layer("silu", Silu)
            .layer("squeeze", GlobalAvgPool)
            .layer("excite", Linear::new(4))
            .layer("gate", Sigmoid)
            .layer_from("gated", Mul, &["silu", "gate"])
            .layer_from("sum", Add, &["gated", "silu"])
            .layer("gap", GlobalAvgPool)
            .layer("fc", Linear::new(3))
            .build(2)
            .unwrap()
            .cast::<f64>();
        let [found, expected] = sums(&gated);
        assert!((found - expected).abs() < 1e-13 && expected.abs() > 1e-3, "{found} and {expected}");
    }

    #[test]
    fn the_slope_stands_for_the_quotient_where_nothing_changes() {
        let model =
            Model::builder([1, 3, 1]).layer("silu", Silu).layer("gap", GlobalAvgPool).build(1).unwrap().cast::<f64>();
        let record = |values: [f64; 3]| model.record(Tensor::new([1, 1, 3, 1], values.to_vec())).unwrap();
        let (here, there) = (record([0.5, -1.0, 2.0]), record([0.5, -1.0, 1.0]));
        let rule = Rescale::against(there.input());
        let seed = Tensor::full([1, 1], 1.0);
        let mut all = here.tape().backward_from(here.logits(), seed, &rule, [here.input()]).unwrap();
        let m = all.take(here.input()).unwrap();
        let slope = |x: f64| {
            let tape = tensor::Tape::<f64>::new();
            let x = tape.leaf(Tensor::new([1], vec![x]));
            tape.backward(&x.apply(Silu), &tensor::Exact, [&x]).unwrap()[&x].item()
        };
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let expected = [slope(0.5), slope(-1.0), silu(2.0) - silu(1.0)];
        for (m, expected) in m.as_slice().iter().zip(expected) {
            assert!((3.0 * m - expected).abs() < 1e-14, "{m} and {expected}");
        }
    }

    #[test]
    fn what_has_no_reading_is_refused_with_what_to_use() {
        let normalized = model([LayerNorm { epsilon: 1e-5 }.into()]);
        let pass = Pass::new(&normalized, wave([1, 8, 7, 2], 3.0)).unwrap();
        let refused = pass.why(1).explain(&DeepLift::default()).unwrap_err().to_string();
        assert!(
            refused.ends_with("no rule for the layer norm of layer `act0`; use integrated gradients, or LRP"),
            "{refused}"
        );
        let rule = Rescale::against(model([]).record(wave([1, 8, 7, 2], 3.0)).unwrap().input());
        let refused = pass.why(1).under_rule(&rule).unwrap_err().to_string();
        assert!(refused.contains("the reference has no value for the"), "{refused}");
    }
}
