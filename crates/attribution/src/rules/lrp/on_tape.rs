//! The rules of LRP on one tape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nn::Real;
use nn::layers::{BatchNormEvaluation, Linear};
use tensor::{BackwardError, Grads, Nature, Node, NodeId, Reason, Rule, Tape, Tensor, Var, Wanted};

use super::gates::gates;
use super::{Composite, Layers, LrpRule, Products, Reading};
use crate::path::{computed_from, nature_in};
use crate::rules::{Coverage, Operation, Refusal};

const NAME: &str = "LRP";

/// [`Composite`] on one tape: a backward rule. The gradient at a value x is g with R = x ⊙ g. At the image it is R
/// itself if one of the rules is only for the image; [`relevance`](Self::relevance) returns R in both cases.
#[derive(Debug)]
pub struct LrpOnTape<T: Real> {
    image: NodeId,
    layers: BTreeMap<NodeId, Layer<T>>,
    /// Batch norms folded into the layer before them.
    folded: BTreeSet<NodeId>,
    /// The number of nodes on the tape when the rule was made.
    recorded: usize,
    /// The image, and all nodes computed from it.
    of_image: BTreeSet<NodeId>,
    /// The values of gates.
    gates: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Layer<T: Real> {
    rule: Arc<dyn LrpRule<T>>,
    batch_norm: Option<Arc<Node<T>>>,
}

impl<T: Real> Composite<T> {
    /// The rule for the operations recorded on `tape` so far, starting from the variable `image`.
    ///
    /// # Errors
    /// [`Refusal::NoLayer`] if a rule was set for a layer by name and there is no such layer.
    pub fn on(&self, tape: &Tape<T>, image: &Var<T>) -> Result<LrpOnTape<T>, BackwardError> {
        let nodes = tape.nodes();
        let of_image = computed_from(&nodes, image.id());
        let mut layers = BTreeMap::new();
        let mut folded = BTreeSet::new();
        for node in nodes.iter().filter(|node| of_image.contains(&node.id()) && Products::convolution(node).is_some()) {
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
                let found = layers.keys().map(|id| label(id).to_string()).collect();
                let reason = Refusal::NoLayer { layer: name.clone(), found }.into();
                return Err(BackwardError::Refused { rule: NAME, reason });
            }
        }
        let gates = gates(&nodes, &of_image);
        Ok(LrpOnTape { image: image.id(), layers, folded, recorded: nodes.len(), of_image, gates })
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

impl<T: Real> LrpOnTape<T> {
    /// The layer of products recorded by this node, and its rule; `None` for other operations.
    pub(crate) fn layer(&self, node: &Node<T>) -> Option<(Products<T>, &dyn LrpRule<T>)> {
        let layer = self.layers.get(&node.id())?;
        Some((Products::of(node, layer.batch_norm.as_deref())?, &*layer.rule))
    }

    /// Whether this batch norm is folded into the layer before it.
    pub(crate) fn is_folded(&self, id: NodeId) -> bool {
        self.folded.contains(&id)
    }

    /// How relevance passes through an operation that isn't a layer of products.
    pub(crate) fn reading(&self, node: &Node<T>) -> Option<Reading> {
        Reading::of(node, |id| self.of_image.contains(&id), |id| self.gates.contains(&id))
    }

    /// The relevance of the image, `[N, H, W, C]`, computed from its gradient.
    #[must_use]
    pub fn relevance(&self, image: &Tensor<T>, gradient: Tensor<T>) -> Tensor<T> {
        if self.is_relevance() { gradient } else { gradient.zip(image, |g, x| x * g) }
    }

    /// The relevance of an operation's output.
    pub(crate) fn relevance_at(&self, node: &Node<T>, gradient: &Tensor<T>) -> Tensor<T> {
        match self.layer(node) {
            Some((layer, _)) => layer.relevance(&gradient.reshape(layer.output().shape())).reshape(*node.shape()),
            None => gradient.clone().zip(node.output(), |g, f| g * f),
        }
    }

    /// Whether the gradient at the image is the relevance itself.
    fn is_relevance(&self) -> bool {
        self.layers.values().any(|layer| layer.rule.for_image())
    }

    /// The rules, and the number of their layers.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let mut rules: Vec<(String, usize)> = Vec::new();
        for name in self.layers.values().map(|layer| layer.rule.name()) {
            match rules.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => rules.push((name, 1)),
            }
        }
        Coverage::Relevance { rules, folded: self.folded.len() }
    }

    fn check_node(&self, node: &Node<T>) -> Result<(), Reason> {
        let operation = Operation::of(node);
        if node.id() >= self.recorded {
            return Err(Refusal::RecordedLater(operation).into());
        }
        if let Some((products, rule)) = self.layer(node) {
            if rule.for_image() && node.input_ids().next() != Some(self.image) {
                return Err(Refusal::NotFirst { rule: rule.name(), operation }.into());
            }
            rule.check(&products)?;
        } else if self.is_relevance() && node.input_ids().any(|input| input == self.image) {
            return Err(Refusal::AlsoFirst(operation).into());
        }
        let varies = |id| self.of_image.contains(&id);
        let has_reading = match nature_in(node, varies) {
            Nature::Other if self.layers.contains_key(&node.id()) => false,
            _ => self.layers.contains_key(&node.id()) || self.reading(node).is_some(),
        };
        if has_reading {
            return Ok(());
        }
        let several = node.input_ids().filter(|&input| varies(input)).count() > 1;
        Err(if several { Refusal::BothInputs(operation) } else { Refusal::NoRelevance(operation) }.into())
    }
}

impl<T: Real> Rule<T> for LrpOnTape<T> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, wanted: Wanted<'_>) -> Option<Grads<T>> {
        let first = |gradient: Tensor<T>| {
            let rest = std::iter::repeat_n(None, node.input_count() - 1);
            Grads::new(std::iter::once(Some(gradient)).chain(rest).collect::<Vec<_>>())
        };
        if self.is_folded(node.id()) {
            return Some(first(upstream.clone()));
        }
        if let Some((products, rule)) = self.layer(node) {
            let upstream = upstream.reshape(products.output().shape());
            return Some(first(products.distributed(rule, &upstream).reshape(*node.input_shape(0))));
        }
        self.reading(node)?.vjp(node, upstream, wanted)
    }

    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), Reason> {
        path.iter().try_for_each(|node| self.check_node(node))
    }
}
