//! How passes go through a model: worked out when the model is built, not in every step.

use tensor::Keep;

use super::{ModelNode, Source};
use crate::layers::layer::Layer;
use crate::layers::run::Mode;

/// The plans of the passes that differ in what they keep and fuse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plans {
    explaining: Plan,
    predicting: Plan,
    training: Plan,
}

/// What one kind of pass needs to know of each layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Whether the layer and the ReLU after it are computed as one.
    fused: Vec<bool>,
    /// The layers whose outputs are read by this layer for the last time, so that their memory can be used again.
    finished: Vec<Vec<usize>>,
}

impl Plans {
    pub(super) fn new(nodes: &[ModelNode]) -> Self {
        let plan = |training| Plan { fused: fused(nodes, training), finished: finished(nodes) };
        let nothing = Plan { fused: vec![false; nodes.len()], finished: vec![Vec::new(); nodes.len()] };
        Self { explaining: nothing, predicting: plan(false), training: plan(true) }
    }

    /// The plan for a tape that keeps these values: one that keeps all neither fuses layers nor uses memory again.
    pub(super) fn of(&self, keep: Keep, mode: Mode) -> &Plan {
        match (keep, mode) {
            (Keep::All, _) => &self.explaining,
            (_, Mode::Evaluation) => &self.predicting,
            (_, Mode::Training { .. }) => &self.training,
        }
    }
}

impl Plan {
    /// Whether this layer is computed together with a neighbour, in a pass over the layers `first..end`: with the ReLU behind
    /// it, or, being that ReLU, with the layer before it.
    pub(super) fn is_fused(&self, layer: usize, first: usize, end: usize) -> bool {
        let starts = |layer: usize| self.fused[layer] && layer + 1 < end;
        starts(layer) || layer > first && starts(layer - 1)
    }

    /// The layers whose outputs are read by this one for the last time.
    pub(super) fn finished_by(&self, layer: usize) -> &[usize] {
        &self.finished[layer]
    }
}

/// For each layer whether the next one is a ReLU, is its only reader, and can be computed together with it.
fn fused(nodes: &[ModelNode], training: bool) -> Vec<bool> {
    let mut readers = vec![0; nodes.len()];
    for source in nodes.iter().flat_map(|node| &node.inputs) {
        if let Source::Layer(from) = *source {
            readers[from] += 1;
        }
    }
    let is_fused = |(index, node): (usize, &ModelNode)| {
        let next_is_relu = nodes
            .get(index + 1)
            .is_some_and(|next| matches!(next.layer, Layer::Relu(_)) && next.inputs == [Source::Layer(index)]);
        next_is_relu && readers[index] == 1 && node.layer.kind().fuses_relu(training && !node.frozen)
    };
    nodes.iter().enumerate().map(is_fused).collect()
}

/// For each layer the layers that it is the last to read.
fn finished(nodes: &[ModelNode]) -> Vec<Vec<usize>> {
    let mut last_reader = vec![None; nodes.len()];
    for (reader, node) in nodes.iter().enumerate() {
        for source in &node.inputs {
            if let Source::Layer(from) = *source {
                last_reader[from] = Some(reader);
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
