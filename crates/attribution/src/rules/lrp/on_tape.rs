//! A composition of LRP rules, applied to one tape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nn::ops::{BatchNormEvaluation, Clip, Conv2dRelu, Linear};
use nn::{ConvTranspose2d, Real};
use tensor::ops::{Add, Concat, Sub, Tanh};
use tensor::{BackwardError, Grads, Linearity, Node, NodeId, Rule, Tape, Tensor, Var, Wanted};

use super::{Layers, Lrp, LrpRule, Products};
use crate::path::computed_from;

/// What the rule is called.
const NAME: &str = "LRP";

/// [`Lrp`] on one tape: the backward rule. What arrives under it at a value x is g with R = x ⊙ g; at the image, where one of
/// the rules is for the image alone, the relevance itself ([`relevance`](Self::relevance) tells them apart).
#[derive(Debug)]
pub struct LrpOnTape<T: Real> {
    image: NodeId,
    layers: BTreeMap<NodeId, Layer<T>>,
    /// Batch norms that are read as part of the layer before them.
    folded: BTreeSet<NodeId>,
    /// Nodes on the tape when the rule was made.
    recorded: usize,
    /// What is computed from the image.
    of_image: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Layer<T: Real> {
    rule: Arc<dyn LrpRule<T>>,
    batch_norm: Option<Arc<Node<T>>>,
}

impl<T: Real> Lrp<T> {
    /// The rule for what was recorded on `tape`, from the variable `image` on.
    ///
    /// # Errors
    /// [`BackwardError::Refused`], which says in words which layer is named that isn't there.
    pub fn on(&self, tape: &Tape<T>, image: &Var<T>) -> Result<LrpOnTape<T>, BackwardError> {
        let nodes = tape.nodes();
        let of_image = computed_from(&nodes, image.id());
        let mut layers = BTreeMap::new();
        let mut folded = BTreeSet::new();
        for node in nodes.iter().filter(|node| of_image.contains(&node.id()) && is_products(node)) {
            let mut readers = nodes.iter().filter(|reader| reader.input_ids().any(|input| input == node.id()));
            let batch_norm = match (readers.next(), readers.next()) {
                (Some(reader), None) if reader.op::<BatchNormEvaluation<T>>().is_some() => Some(Arc::clone(reader)),
                _ => None,
            };
            folded.extend(batch_norm.iter().map(|norm| norm.id()));
            layers.insert(node.id(), Layer { rule: self.rule_for(node, image.id()), batch_norm });
        }
        let named = self.exceptions.iter().filter_map(|(layers, _)| match layers {
            Layers::Named(name) => Some(name),
            _ => None,
        });
        let label = |id: &NodeId| nodes[*id].label().unwrap_or_default();
        for name in named {
            if !layers.keys().any(|id| label(id) == name) {
                let found: Vec<&str> = layers.keys().map(label).collect();
                let found = found.join(", ");
                let reason = format!("there is no convolution or fully connected layer `{name}`; found {found}");
                return Err(BackwardError::Refused { rule: NAME, reason });
            }
        }
        Ok(LrpOnTape { image: image.id(), layers, folded, recorded: nodes.len(), of_image })
    }

    fn rule_for(&self, node: &Node<T>, image: NodeId) -> Arc<dyn LrpRule<T>> {
        let fully_connected = node.op::<Linear>().is_some();
        let fits = |layers: &Layers| match layers {
            Layers::Convolutions => !fully_connected,
            Layers::FullyConnected => fully_connected,
            Layers::First => node.input_ids().next() == Some(image),
            Layers::Named(name) => node.label() == Some(name),
        };
        let exception = self.exceptions.iter().rev().find(|(layers, _)| fits(layers));
        Arc::clone(exception.map_or(&self.everywhere, |(_, rule)| rule))
    }
}

/// Of an activation that isn't proportional to its input on either side of zero, y/x as a function of x and y: with this
/// factor the relevance stays, x·gₓ = y·g_y (Ancona, Ceolini, Öztireli and Gross, *Towards Better
/// Understanding of Gradient-Based Attribution Methods for Deep Neural Networks*, 2018).
fn activation<T: Real>(node: &Node<T>) -> Option<impl Fn(T, T) -> T + use<T>> {
    let slope_at_zero = match (node.op::<Clip>(), node.op::<Tanh>()) {
        (Some(clip), _) if clip.min < 0.0 && clip.max > 0.0 => T::one(),
        (Some(_), _) => T::zero(),
        (_, Some(_)) => T::one(),
        _ => return None,
    };
    Some(move |x: T, y: T| if x.is_zero() { slope_at_zero } else { y / x })
}

fn is_products<T: Real>(node: &Node<T>) -> bool {
    node.op::<nn::Conv2d>().is_some() || node.op::<Conv2dRelu>().is_some() || node.op::<Linear>().is_some()
}

impl<T: Real> LrpOnTape<T> {
    /// The layer that this node records and the rule that reads it; `None` for other operations.
    pub(crate) fn layer(&self, node: &Node<T>) -> Option<(Products<T>, &dyn LrpRule<T>)> {
        let layer = self.layers.get(&node.id())?;
        Some((Products::of(node, layer.batch_norm.as_deref())?, &*layer.rule))
    }

    /// Whether this batch norm is read as part of the layer before it.
    pub(crate) fn is_folded(&self, id: NodeId) -> bool {
        self.folded.contains(&id)
    }

    /// Whether this node hands on all of its relevance, as an activation that isn't proportional to its input.
    pub(crate) fn passes_all(&self, node: &Node<T>) -> bool {
        activation(node).is_some()
    }

    /// The relevance of the image, `[N, H, W, C]`, from what arrived there.
    #[must_use]
    pub fn relevance(&self, image: &Tensor<T>, arrived: Tensor<T>) -> Tensor<T> {
        if self.is_relevance() { arrived } else { arrived.zip(image, |g, x| x * g) }
    }

    fn is_relevance(&self) -> bool {
        self.layers.values().any(|layer| layer.rule.for_image())
    }

    /// What reads what, in words: `z⁺ in 3 layers, ε = 1e-6 in 1; 4 batch norms folded`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for name in self.layers.values().map(|layer| layer.rule.name()) {
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let words = counts.iter().map(|(name, n)| format!("{name} in {n} layer{}", plural(*n)));
        let folded = match self.folded.len() {
            0 => String::new(),
            n => format!("; {n} batch norm{} folded", plural(n)),
        };
        words.collect::<Vec<_>>().join(", ") + &folded
    }

    fn check_node(&self, node: &Node<T>) -> Result<(), String> {
        let name = node.label().map(|label| format!(" of layer `{label}`")).unwrap_or_default();
        let what = format!("{}{name}", node.any_op().name());
        if node.id() >= self.recorded {
            return Err(format!("the {what} was recorded after the rule was made"));
        }
        if let Some((products, rule)) = self.layer(node) {
            if rule.for_image() && node.input_ids().next() != Some(self.image) {
                return Err(format!("{} is for layers that read the image; the {what} reads another", rule.name()));
            }
            rule.check(&products)?;
        } else if self.is_relevance() && node.input_ids().any(|input| input == self.image) {
            return Err(format!(
                "the {what} reads the image, too, and only a convolution or fully connected layer can be read by a rule for the image"
            ));
        }
        let several = node.input_ids().filter(|input| self.of_image.contains(input)).count() > 1;
        let sums = node.op::<Add>().is_some() || node.op::<Sub>().is_some() || node.op::<Concat>().is_some();
        if several && !sums {
            return Err(format!("LRP has no reading for the {what}, both of whose inputs depend on the image"));
        }
        let around_zero = node.op::<Clip>().is_none_or(|clip| clip.min <= 0.0 && clip.max >= 0.0);
        let known = match node.any_op().linearity() {
            Linearity::Nonlinear => node.op::<Tanh>().is_some(),
            // A layer of products, too, but none that the rules are written for.
            _ => node.op::<ConvTranspose2d>().is_none(),
        };
        if !known || !around_zero {
            return Err(format!(
                "LRP has no reading for the {what}; use gradient, input × gradient or integrated gradients"
            ));
        }
        Ok(())
    }
}

impl<T: Real> Rule<T> for LrpOnTape<T> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, _: Wanted<'_>) -> Option<Grads<T>> {
        let first = |gradient: Tensor<T>| {
            let rest = std::iter::repeat_n(None, node.input_count() - 1);
            Grads::new(std::iter::once(Some(gradient)).chain(rest).collect::<Vec<_>>())
        };
        if self.is_folded(node.id()) {
            return Some(first(upstream.clone()));
        }
        if let Some((products, rule)) = self.layer(node) {
            let open = |g: T, y: T| if y > T::zero() { g } else { T::zero() };
            let upstream = upstream.reshape(products.output().shape());
            let upstream =
                if node.op::<Conv2dRelu>().is_some() { upstream.zip(products.output(), open) } else { upstream };
            return Some(first(products.hand_on(rule, &upstream).reshape(*node.input_shape(0))));
        }
        let factor = activation(node)?;
        let factors = node.input(0).clone().zip(node.output(), factor);
        Some(Grads::one(upstream.clone().zip(&factors, |g, factor| g * factor)))
    }

    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), String> {
        path.iter().try_for_each(|node| self.check_node(node))
    }
}
