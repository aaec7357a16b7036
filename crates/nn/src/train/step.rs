//! One step.

use tensor::{Exact, Keep, Tape, Tensor, Var, on_pool};

use crate::model::{BatchStatistics, Mode, Model, ModelError, Source};
use crate::ops;
use crate::optim::Optimizer;
use crate::real::Real;

/// What a batch teaches: the loss, and how it moves with each trained weight.
#[derive(Clone, Debug)]
pub struct Lesson<T: Real> {
    /// The loss before the step.
    pub loss: T,
    /// The scores before the step, `[N, classes]`.
    pub logits: Tensor<T>,
    /// ∂loss/∂w for each trained parameter, by its place in [`Model::parameters`]. Frozen layers have none.
    pub gradients: Vec<(usize, Tensor<T>)>,
    statistics: Vec<BatchStatistics<T>>,
}

impl<T: Real> Lesson<T> {
    /// From images `[N, H, W, C]` and the loss `[]` of their scores `[N, classes]`; dropout is drawn from `seed`. Nothing is
    /// kept of what frozen layers compute before the first one that is trained.
    ///
    /// # Errors
    /// Where the images are of another shape than the model takes.
    pub fn of(
        model: &Model<T>,
        images: Tensor<T>,
        seed: u64,
        loss: impl FnOnce(&Var<T>) -> Var<T> + Send,
    ) -> Result<Self, ModelError> {
        let trunk = model.trunk();
        Ok(Self::behind(model, trunk, model.outputs(trunk, images)?, seed, loss))
    }

    /// As [`of`](Self::of), from what the trunk gives for the images.
    pub(super) fn behind(
        model: &Model<T>,
        trunk: Source,
        values: Tensor<T>,
        seed: u64,
        loss: impl FnOnce(&Var<T>) -> Var<T> + Send,
    ) -> Self {
        on_pool(|| {
            let tape = Tape::keeping(Keep::Needed);
            let forward = model.forward_from(&tape, trunk, values, Mode::Training { seed });
            let loss = loss(&forward.logits);
            let (places, wanted): (Vec<usize>, Vec<_>) =
                forward.trained(model).map(|(place, var)| (place, var.clone())).unzip();
            let mut found = tape.backward(&loss, &Exact, &wanted).expect("the exact rule refuses nothing");
            let gradients =
                places.into_iter().zip(&wanted).map(|(place, var)| (place, found.take(var).expect("asked for")));
            let gradients = gradients.collect();
            let (loss, logits) = (loss.value().item(), forward.logits.value().clone());
            Self { loss, logits, gradients, statistics: forward.into_statistics() }
        })
    }

    /// Lets the model learn it: batch norms take in the batch's statistics, and weights follow their gradients.
    pub fn learn(&self, model: &mut Model<T>, optimizer: &mut dyn Optimizer<T>) {
        model.update_statistics(&self.statistics);
        optimizer.step(model, &self.gradients);
    }
}

/// One step: forward, backward, optimiser. Gives the mean cross-entropy of `images` `[N, H, W, C]` before the step.
///
/// # Errors
/// Where the images are of another shape than the model takes.
///
/// # Panics
/// Where there isn't one label, a class of the model, for each image.
pub fn train_step<T: Real>(
    model: &mut Model<T>,
    optimizer: &mut dyn Optimizer<T>,
    images: Tensor<T>,
    labels: &[usize],
    label_smoothing: f64,
    seed: u64,
) -> Result<T, ModelError> {
    let lesson = Lesson::of(model, images, seed, |logits| ops::cross_entropy(logits, labels, label_smoothing))?;
    lesson.learn(model, optimizer);
    Ok(lesson.loss)
}
