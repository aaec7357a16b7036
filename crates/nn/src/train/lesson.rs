//! What slots add up to.

use tensor::blocks::update;
use tensor::{Tensor, Var};

use super::step::StepGradients;
use crate::layers::BatchStatistics;
use crate::model::{Model, Source};

/// What a step learns from a slot, a part of the slots, or all: sums that are weighted by the slots' shares of the batch.
pub(super) struct Lesson {
    /// ∂loss/∂w for each trained parameter, with its index.
    pub(super) gradients: Vec<(usize, Tensor<f32>)>,
    /// The mean statistics of the slots, for each batch norm.
    pub(super) statistics: Vec<BatchStatistics<f32>>,
}

impl Lesson {
    /// The lesson of a slot whose gradients are already weighted by its share of the batch, and its statistics aren't.
    pub(super) fn of_slot(step: StepGradients<f32>, share: f64) -> Self {
        let StepGradients { gradients, statistics, .. } = step;
        let mut lesson = Self { gradients, statistics };
        if share < 1.0 {
            let statistics = lesson.statistics.iter_mut().flat_map(of_batch);
            statistics.for_each(|values| update(values, [], |value, []| value * share as f32));
        }
        lesson
    }

    /// The lesson of an image whose values count up, in outputs of the trunk.
    pub(super) fn of_probe(model: &Model<f32>, trunk: Source) -> Self {
        let shape = [&[1], model.shape_of(trunk)].concat();
        let images = Tensor::from_fn(&shape[..], |i| (i % 251) as f32 / 125.0 - 1.0);
        let squares = |logits: &Var<f32>| logits.mul(logits).mean();
        Self::of_slot(StepGradients::compute_after(model, trunk, images, 0, 1.0, squares), 1.0)
    }

    /// Adds another lesson.
    pub(super) fn add(&mut self, mut other: Self) {
        for (own, other) in self.values().into_iter().zip(other.values()) {
            update(own, [other], |own, [other]| own + other);
        }
    }

    /// All numbers, in parts.
    pub(super) fn values(&mut self) -> Vec<&mut [f32]> {
        let Self { gradients, statistics } = self;
        let gradients = gradients.iter_mut().map(|(_, gradient)| gradient.make_mut());
        gradients.chain(statistics.iter_mut().flat_map(of_batch)).collect()
    }
}

fn of_batch(statistics: &mut BatchStatistics<f32>) -> [&mut [f32]; 2] {
    let batch = &mut statistics.batch;
    [batch.mean.make_mut(), batch.variance.make_mut()]
}
