//! One training step.

use tensor::{Exact, Keep, Tape, Tensor, Var, on_pool};

use crate::layers::{BatchStatistics, Mode};
use crate::losses::cross_entropy;
use crate::model::{Model, ModelError, Source};
use crate::optim::Optimizer;
use crate::real::Real;

/// The result of one step's forward and backward pass: what [`apply`](Self::apply) needs to update the model.
#[derive(Clone, Debug)]
pub struct StepGradients<T: Real> {
    /// The loss before the update.
    pub loss: T,
    /// The scores before the update, `[N, classes]`.
    pub logits: Tensor<T>,
    /// ∂loss/∂w for each trained parameter, with its index in [`Model::parameters`]. Frozen layers have none.
    pub gradients: Vec<(usize, Tensor<T>)>,
    pub(super) statistics: Vec<BatchStatistics<T>>,
}

impl<T: Real> StepGradients<T> {
    /// The gradients for images `[N, H, W, C]`, where `loss` computes the loss `[]` from the scores `[N, classes]`. Dropout
    /// masks are drawn with `seed`. Activations of the frozen layers before the first trained one aren't kept.
    ///
    /// # Errors
    /// If the images' shape isn't the model's input shape.
    pub fn compute(
        model: &Model<T>,
        images: Tensor<T>,
        seed: u64,
        loss: impl FnOnce(&Var<T>) -> Var<T> + Send,
    ) -> Result<Self, ModelError> {
        let trunk = model.trunk();
        Ok(Self::compute_after(model, trunk, model.outputs(trunk, images)?, seed, 1.0, loss))
    }

    /// As [`compute`](Self::compute), given the outputs `[N, …]` of the trunk. The gradients are those of `share` times the loss.
    pub(super) fn compute_after(
        model: &Model<T>,
        trunk: Source,
        outputs: Tensor<T>,
        seed: u64,
        share: f64,
        loss: impl FnOnce(&Var<T>) -> Var<T> + Send,
    ) -> Self {
        on_pool(|| {
            let tape = Tape::keeping(Keep::Needed);
            let forward = model.forward_from(&tape, trunk, outputs, Mode::Training { seed });
            let loss = loss(&forward.logits);
            let (indices, wanted): (Vec<usize>, Vec<_>) =
                forward.trained(model).map(|(index, var)| (index, var.clone())).unzip();
            let counted = if share < 1.0 { loss.mul_scalar(share) } else { loss.clone() };
            let mut found = tape.backward(&counted, &Exact, &wanted).expect("the exact rule refuses nothing");
            let gradients = wanted.iter().map(|var| found.take(var).expect("a gradient for each wanted variable"));
            let gradients = indices.into_iter().zip(gradients).collect();
            let (loss, logits) = (loss.value().item(), forward.logits.value().clone());
            Self { loss, logits, gradients, statistics: forward.into_statistics() }
        })
    }

    /// Updates the model: the optimiser changes the trained weights, and batch norms mix the batch's statistics into their
    /// running ones.
    pub fn apply(&self, model: &mut Model<T>, optimizer: &mut dyn Optimizer<T>) {
        model.update_statistics(&self.statistics);
        optimizer.step(model.parameters_mut(), &self.gradients);
    }
}

/// Trains the model for one step on images `[N, H, W, C]`, and returns their mean cross-entropy before the update.
///
/// # Errors
/// If the images' shape isn't the model's input shape.
///
/// # Panics
/// Unless there is one label for each image, and each label is a class of the model.
pub fn train_step<T: Real>(
    model: &mut Model<T>,
    optimizer: &mut dyn Optimizer<T>,
    images: Tensor<T>,
    labels: &[usize],
    label_smoothing: f64,
    seed: u64,
) -> Result<T, ModelError> {
    let loss = |logits: &Var<T>| cross_entropy(logits, labels, label_smoothing);
    let step = StepGradients::compute(model, images, seed, loss)?;
    step.apply(model, optimizer);
    Ok(step.loss)
}
