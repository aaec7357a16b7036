//! The learning-rate range test.

use tensor::Var;

use super::Training;
use super::error::TrainError;
use super::evaluation::normalization_for;
use super::fitting_loss::fitting_loss;
use super::standard::Standard;
use super::step::StepGradients;
use crate::data::{Batch, Dataset, Loader, Targets};
use crate::model::{Model, Task};
use crate::optim::Optimizer;

/// Decay of the running mean of the loss.
const DECAY: f64 = 0.9;
/// The test ends when the running mean exceeds this multiple of its minimum.
const DIVERGED: f64 = 2.0;

/// The results of [`range_test`].
#[derive(Clone, Debug, PartialEq)]
pub struct RangeTest {
    /// For each step the learning rate and the running mean of the loss.
    pub losses: Vec<(f64, f64)>,
}

impl RangeTest {
    /// A suggestion for the peak rate: a third of the rate at which the running mean was lowest. `None` if there
    /// are no losses.
    #[must_use]
    pub fn suggestion(&self) -> Option<f64> {
        let least = self.losses.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(least.0 / 3.0)
    }
}

/// Trains a copy of the model with a learning rate that grows exponentially from `rates[0]` to `rates[1]` over `steps` steps,
/// and records the loss (Smith, *Cyclical learning rates*, 2017, §3.3). It ends early if the loss diverges. Batches are whole,
/// whatever the size of a slot.
///
/// # Errors
/// If a setting is outside its range, the images don't fit the model, or one of them can't be read.
///
/// # Panics
/// Unless 0 < `rates[0]` < `rates[1]`.
pub fn range_test(
    model: &Model<f32>,
    optimizer: &mut dyn Optimizer<f32>,
    training: &Training,
    images: &dyn Dataset,
    rates: [f64; 2],
    steps: usize,
) -> Result<RangeTest, TrainError> {
    let [low, high] = rates;
    assert!(0.0 < low && low < high, "a range test from rate {low} to {high}");
    training.check()?;
    let normalization = normalization_for(model, images)?;
    let mut model = model.clone();
    let standard = if images.task() == Task::Values { Some(Standard::of(images)?) } else { None };
    if let Some(standard) = &standard {
        standard.undo(&mut model)?;
    }
    let loader = Loader::new(images, &normalization, training.batch_size).shuffled(training.seed);
    let (mut losses, mut sum, mut weight, mut least) = (Vec::new(), 0.0, 0.0, f64::INFINITY);
    let mut step = |Batch { images, mut targets }: Batch| -> Result<bool, TrainError> {
        let done = losses.len();
        let rate = low * (high / low).powf(done as f64 / steps.saturating_sub(1).max(1) as f64);
        optimizer.set_learning_rate(rate);
        let seed = training.seed.wrapping_add(done as u64);
        if let (Targets::Values(values), Some(standard)) = (&mut targets, &standard) {
            *values = standard.standardized(values);
        }
        let fitting = |scores: &Var<f32>| fitting_loss(scores, &targets, training.label_smoothing, None);
        let gradients = StepGradients::compute(&model, images, seed, fitting)?;
        gradients.apply(&mut model, optimizer);
        let loss = f64::from(gradients.loss);
        // Corrects the bias of the running mean towards its initial 0.
        (sum, weight) = (DECAY * sum + (1.0 - DECAY) * loss, DECAY * weight + (1.0 - DECAY));
        let mean = sum / weight;
        least = least.min(mean);
        // False for NaN too.
        let converges = mean <= DIVERGED * least;
        if converges {
            losses.push((rate, mean));
        }
        Ok(converges && losses.len() < steps)
    };
    let mut epoch = 0;
    while loader.epoch(epoch, 0, |batches| {
        for batch in batches {
            if !step(batch?)? {
                return Ok::<bool, TrainError>(false);
            }
        }
        Ok(true)
    })? {
        epoch += 1;
    }
    Ok(RangeTest { losses })
}
