//! How passes go through a model: worked out when the model is built, not in every step.

use std::sync::{Arc, OnceLock};

use tensor::Keep;

use super::grid::Placement;
use super::strips::Strip;
use super::{ModelNode, Source};
use crate::layers::kind::Fuses;
use crate::layers::run::Mode;

/// The plans of the passes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plans {
    evaluation: Plan,
    training: Plan,
    /// Where the layers' values stand, once somebody has asked for it.
    pub(super) placement: Lazy<Placement>,
}

/// What follows from the layers and is worked out when it is needed first; it doesn't tell two models apart.
#[derive(Debug)]
pub(crate) struct Lazy<V>(pub(super) OnceLock<Arc<V>>);

impl<V> Clone for Lazy<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> Default for Lazy<V> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<V> PartialEq for Lazy<V> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a pass needs to know of each layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The chain that a layer is in.
    chains: Vec<Option<Group>>,
    /// The attention or the strip that it is in, where nothing is kept.
    predicting: Vec<Option<Group>>,
    /// The layers whose outputs are read by this layer for the last time, so that their memory can be used again.
    finished: Vec<Vec<usize>>,
}

/// Layers that are computed together, once their other inputs are there: two or more, each read by later ones of them alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Group {
    /// A layer and the steps after it.
    Chain(Chain),
    /// The layers of an attention, computed a block of rows at a time.
    Attention(Vec<usize>),
    /// Convolutions, computed some rows at a time.
    Strip(Strip),
}

impl Group {
    /// In their order.
    pub(super) fn layers(&self) -> &[usize] {
        match self {
            Self::Chain(Chain { layers, .. }) | Self::Attention(layers) | Self::Strip(Strip { layers, .. }) => layers,
        }
    }

    fn first(&self) -> usize {
        self.layers()[0]
    }

    pub(super) fn last(&self) -> usize {
        *self.layers().last().expect("a group has layers")
    }
}

/// A layer that multiplies, or a batch norm, and the steps after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chain {
    /// In their order.
    pub(super) layers: Vec<usize>,
    /// The layer whose output is added.
    pub(super) residual: Option<Source>,
    /// Whether the function of each element is multiplied by its argument.
    pub(super) gated: bool,
    /// The layer before a function whose derivative is computed from its input, if computing that again would take long.
    pub(super) argument: Option<usize>,
}

/// Multiply–adds of a value that take longer than writing it.
const COSTLY: u64 = 64;

impl Chain {
    /// A chain of these layers and nothing else.
    pub(super) fn of(layers: Vec<usize>) -> Self {
        Self { layers, residual: None, gated: false, argument: None }
    }

    pub(super) fn last(&self) -> usize {
        *self.layers.last().expect("a chain has layers")
    }
}

impl Plans {
    pub(super) fn new(nodes: &[ModelNode]) -> Self {
        Self { evaluation: Plan::new(nodes, false), training: Plan::new(nodes, true), placement: Lazy::default() }
    }

    pub(super) fn of(&self, mode: Mode) -> &Plan {
        match mode {
            Mode::Evaluation => &self.evaluation,
            Mode::Training { .. } => &self.training,
        }
    }
}

impl Plan {
    fn new(nodes: &[ModelNode], training: bool) -> Self {
        let find = Chains::new(nodes, training);
        let chains = find.all();
        let predicting = if training { vec![None; nodes.len()] } else { find.predicting(&chains) };
        let chains: Vec<_> = chains.into_iter().map(|chain| chain.map(Group::Chain)).collect();
        let finished = finished(nodes, |layer| predicting[layer].as_ref().or(chains[layer].as_ref()));
        Self { chains, predicting, finished }
    }

    /// The group of this layer, in a pass over the layers `first..end` on a tape that keeps this.
    pub(super) fn group(&self, layer: usize, first: usize, end: usize, keep: Keep) -> Option<&Group> {
        let predicting = self.predicting[layer].as_ref().filter(|_| keep == Keep::Nothing);
        let is_within = |group: &&Group| first <= group.first() && group.last() < end;
        predicting.filter(is_within).or_else(|| self.chains[layer].as_ref().filter(is_within))
    }

    /// The layers whose outputs are read by this one for the last time.
    pub(super) fn finished_by(&self, layer: usize, keep: Keep) -> &[usize] {
        if keep == Keep::All { &[] } else { &self.finished[layer] }
    }
}

/// Finds the chains of a model.
pub(super) struct Chains<'a> {
    pub(super) nodes: &'a [ModelNode],
    training: bool,
    /// The layers that read each layer.
    pub(super) readers: Vec<Vec<usize>>,
}

impl<'a> Chains<'a> {
    pub(super) fn new(nodes: &'a [ModelNode], training: bool) -> Self {
        let mut readers = vec![Vec::new(); nodes.len()];
        for (reader, node) in nodes.iter().enumerate() {
            for source in &node.inputs {
                if let Source::Layer(from) = *source {
                    readers[from].push(reader);
                }
            }
        }
        Self { nodes, training, readers }
    }

    pub(super) fn all(&self) -> Vec<Option<Chain>> {
        let mut chains = vec![None; self.nodes.len()];
        for layer in 0..self.nodes.len() {
            if chains[layer].is_some() {
                continue;
            }
            let taken = |other: usize| chains[other].is_some();
            if let Some(chain) = self.from(layer, taken) {
                for &layer in &chain.layers {
                    chains[layer] = Some(chain.clone());
                }
            }
        }
        chains
    }

    /// The attentions and the strips of each layer, given the chains.
    fn predicting(&self, chains: &[Option<Chain>]) -> Vec<Option<Group>> {
        let mut groups: Vec<Option<Group>> = vec![None; self.nodes.len()];
        for layer in 0..self.nodes.len() {
            if groups[layer].is_some() {
                continue;
            }
            let strip = || self.strip(layer, chains).map(Group::Strip);
            if let Some(group) = self.attention(layer).map(Group::Attention).or_else(strip) {
                for &layer in group.layers() {
                    groups[layer] = Some(group.clone());
                }
            }
        }
        groups
    }

    /// The part that a layer can have.
    fn fuses(&self, layer: usize) -> Fuses {
        let node = &self.nodes[layer];
        match node.layer.kind().fuses() {
            Fuses::BatchNorm if self.training && !node.frozen => Fuses::Begins,
            Fuses::BatchNorm => Fuses::Affine,
            other => other,
        }
    }

    /// The chain that begins with this layer.
    fn from(&self, first: usize, taken: impl Fn(usize) -> bool) -> Option<Chain> {
        // A batch norm in evaluation is a map of each channel in the middle of a chain, and else begins one.
        let kind = self.nodes[first].layer.kind().fuses();
        if !matches!(kind, Fuses::Begins | Fuses::BatchNorm) {
            return None;
        }
        // What a training step reads of a chain's inner values is computed again, which only a batch norm does cheaply.
        let is_cheap = !self.training || kind == Fuses::BatchNorm;
        let mut chain = Chain::of(vec![first]);
        let costly = self.is_costly(first);
        let mut may_map = kind == Fuses::Begins;
        let mut last = first;
        while let &[reader] = &self.readers[last][..]
            && !taken(reader)
        {
            let node = &self.nodes[reader];
            match self.fuses(reader) {
                Fuses::Affine if may_map && !self.training => may_map = false,
                Fuses::Sum if chain.residual.is_none() && node.inputs.len() == 2 => {
                    let Some(other) = self.other(reader, last) else { break };
                    (chain.residual, may_map) = (Some(other), false);
                }
                Fuses::Function { by_output } if by_output || is_cheap => {
                    chain.argument = (costly && !by_output).then_some(last);
                    chain.layers.push(reader);
                    return Some(chain);
                }
                _ => break,
            }
            chain.layers.push(reader);
            last = reader;
        }
        if let &[function, product] = &self.readers[last][..]
            && is_cheap
            && !taken(function)
            && !taken(product)
            && matches!(self.fuses(function), Fuses::Function { .. })
            && self.fuses(product) == Fuses::Product
            && self.readers[function] == [product]
            && self.nodes[product].inputs.len() == 2
        {
            chain.layers.extend([function, product]);
            (chain.gated, chain.argument) = (true, costly.then_some(last));
        }
        (chain.layers.len() > 1).then_some(chain)
    }

    /// Whether an output takes longer to compute than to write.
    fn is_costly(&self, layer: usize) -> bool {
        let node = &self.nodes[layer];
        let Some(&Source::Layer(input)) = node.inputs.first() else { return false };
        let work = node.layer.kind().work(&self.nodes[input].output_shape, &node.output_shape).multiply_adds;
        work >= COSTLY * node.output_shape.iter().product::<usize>() as u64
    }

    /// The other input of a layer of two, if it has the same shape.
    fn other(&self, layer: usize, one: usize) -> Option<Source> {
        let node = &self.nodes[layer];
        let other = *node.inputs.iter().find(|&&input| input != Source::Layer(one))?;
        match other {
            Source::Layer(index) => (self.nodes[index].output_shape == self.nodes[one].output_shape
                && node.output_shape == self.nodes[one].output_shape)
                .then_some(other),
            Source::Image => None,
        }
    }
}

/// For each layer the layers that it is the last to read. A group reads when its last layer is computed.
fn finished<'a>(nodes: &[ModelNode], group: impl Fn(usize) -> Option<&'a Group>) -> Vec<Vec<usize>> {
    let mut last_reader: Vec<Option<usize>> = vec![None; nodes.len()];
    for (reader, node) in nodes.iter().enumerate() {
        let reader = group(reader).map_or(reader, Group::last);
        for source in &node.inputs {
            if let Source::Layer(from) = *source {
                last_reader[from] = last_reader[from].max(Some(reader));
            }
        }
    }
    let mut finished = vec![Vec::new(); nodes.len()];
    for (from, reader) in last_reader.into_iter().enumerate() {
        if let Some(reader) = reader {
            finished[reader].push(from);
        }
    }
    finished
}
