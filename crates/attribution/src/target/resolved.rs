//! Targets for certain images, with classes looked up.

use nn::{Model, ModelError, Real, Task};
use tensor::{Exact, Tape, Tensor, Var, pairwise_sum};

use super::Function;
use crate::error::ExplainError;
use crate::pass::one_of;

/// A target for certain images: a function of one layer's outputs.
pub(crate) struct Resolved<T: Real> {
    /// The index of the layer; the last one, unless a unit is explained.
    pub(crate) layer: usize,
    pub(super) score: Score<T>,
}

/// A function of a layer's outputs.
pub(super) enum Score<T: Real> {
    /// Coefficients of the outputs, `[N, …]`.
    Linear(Tensor<T>),
    Function(Function<T>),
}

/// Where a backward pass begins, and with which gradient.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seed<T: Real> {
    /// The index of the layer.
    pub(crate) layer: usize,
    /// ∂S/∂outputs, `[N, …]`.
    pub(crate) gradient: Tensor<T>,
}

impl<T: Real> Resolved<T> {
    /// Whether the target is a sum of outputs.
    pub(crate) fn is_linear(&self) -> bool {
        matches!(self.score, Score::Linear(_))
    }

    /// The term to add to the scores of an image, computed from the model's probabilities, so that they are probabilities:
    /// that of a label's absence is 1 − P.
    pub(crate) fn complement(&self, task: Task, image: usize) -> T {
        match (&self.score, task) {
            (Score::Linear(coefficients), Task::Labels) => {
                one_of(coefficients, image).iter().map(|&c| (-c).max(T::zero())).sum()
            }
            _ => T::zero(),
        }
    }

    /// The layer's outputs for images `[M, H, W, C]`.
    pub(crate) fn predict(&self, model: &Model<T>, images: Tensor<T>) -> Result<Tensor<T>, ModelError> {
        model.predict_at(self.layer, images)
    }

    /// ∂S/∂outputs, `[M, …]`, for outputs of that shape; row i belongs to image `images[i]`.
    pub(crate) fn seed(&self, outputs: &Tensor<T>, images: &[usize]) -> Result<Tensor<T>, ExplainError> {
        match &self.score {
            Score::Linear(coefficients) => {
                let rows = images.iter().flat_map(|&image| one_of(coefficients, image)).copied().collect();
                Ok(Tensor::new(outputs.shape(), rows))
            }
            Score::Function(f) => {
                let tape = Tape::new();
                let outputs = tape.leaf(outputs.clone());
                let scores = scores_of(f, &outputs)?;
                let mut gradients = tape.backward(&scores, &Exact, [&outputs])?;
                Ok(gradients.take(&outputs).expect("requested"))
            }
        }
    }

    /// The scores S, `[M]`, for outputs `[M, …]`; row i belongs to image `images[i]`.
    pub(crate) fn scores(&self, outputs: &Tensor<T>, images: &[usize]) -> Result<Vec<T>, ExplainError> {
        match &self.score {
            Score::Linear(coefficients) => {
                let score = |(index, &image)| {
                    // A coefficient of zero leaves its output out, even an infinite one.
                    let terms =
                        one_of(coefficients, image).iter().zip(one_of(outputs, index)).filter(|(c, _)| !c.is_zero());
                    pairwise_sum(&terms.map(|(&c, &y)| c * y).collect::<Vec<_>>())
                };
                Ok(images.iter().enumerate().map(score).collect())
            }
            Score::Function(f) => Ok(scores_of(f, &Tape::new().leaf(outputs.clone()))?.value().as_slice().to_vec()),
        }
    }
}

fn scores_of<T: Real>(f: &Function<T>, outputs: &Var<T>) -> Result<Var<T>, ExplainError> {
    let scores = f(outputs);
    match scores.shape()[..] {
        [n] if n == outputs.shape()[0] => Ok(scores),
        _ => Err(ExplainError::TargetShape { outputs: outputs.shape().to_vec(), found: scores.shape().to_vec() }),
    }
}
