//! A training step, slot by slot.

use std::ops::Range;

use tensor::Var;

use super::checkpoint::Run;
use super::course::Progress;
use super::diagnosis;
use super::error::TrainError;
use super::evaluation::rightness;
use super::features::Features;
use super::fitting_loss::fitting_loss;
use super::lesson::Lesson;
use super::ranks::{Exchange, agree_on_hashes};
use super::slots::{Slots, add_up, dropout_seed, subtrees};
use super::step::StepGradients;
use super::trainer::Trainer;
use crate::data::{AHEAD, Batch, DataError, Targets};
use crate::optim::{clip_norm, global_norm};

impl Trainer<'_> {
    /// Checks that each rank has a slot, and that all have the same settings, network and images.
    pub(super) fn check_ranks(&self, run: &Run<'_>, exchange: &Exchange<'_>, images: usize) -> Result<(), TrainError> {
        if exchange.is_alone() {
            return Ok(());
        }
        self.training.check_ranks(self.ranks.count(), images)?;
        Ok(agree_on_hashes(self.ranks, &run.facts(&*self.optimizer))?)
    }

    /// The range of each of this rank's slots in an epoch of `images` images, from batch `batch` on, and the number of slots to
    /// prepare in advance.
    pub(super) fn places(&self, batch: usize, images: usize, exchange: &Exchange<'_>) -> (Vec<Range<usize>>, usize) {
        let (batch_size, slot_size) = (self.training.batch_size, self.training.slot_size);
        let slots = |images: usize| Slots::new(images.min(batch_size), slot_size);
        let places = (batch * batch_size..images).step_by(batch_size).flat_map(|from| {
            let slots = slots(images - from);
            exchange.own(slots.count()).map(move |slot| from + slots.places(slot).start..from + slots.places(slot).end)
        });
        (places.collect(), AHEAD * exchange.own(slots(images).count()).len())
    }

    /// Takes a step on the batch of the images with these indices; `parts` are this rank's slots of it. Tells other ranks
    /// whether this one is to stop, and returns whether any is.
    pub(super) fn step(
        &mut self,
        run: &mut Run<'_>,
        parts: &mut dyn Iterator<Item = Result<Batch, DataError>>,
        indices: &[usize],
        features: &Features,
        exchange: &Exchange<'_>,
        wish: bool,
    ) -> Result<(Progress, bool), TrainError> {
        let (epoch, step, steps) = (run.at.epoch, run.at.step, run.steps());
        let learning_rate = self.training.learning_rate * self.training.schedule.factor(step, steps);
        let slots = Slots::new(indices.len(), self.training.slot_size);
        let (own, mut counted, mut lessons) = (exchange.own(slots.count()), Vec::new(), Vec::new());
        for node in subtrees(slots.count(), &own) {
            let mut learn = |slot| {
                let batch = parts.next().expect("a part for each slot")?;
                let (lesson, facts) =
                    self.learn(run, batch, &indices[slots.places(slot)], features, slots, slot, learning_rate)?;
                counted.push(facts);
                Ok::<_, TrainError>(lesson)
            };
            lessons.push(add_up(node, &mut learn, &Lesson::add)?);
        }
        let (counted, wished) = exchange.counts(slots.count(), &counted, wish)?;
        let mut lesson = exchange.add_up(slots.count(), lessons, || Lesson::of_probe(run.model, features.trunk()))?;
        let loss = counted.iter().enumerate().map(|(slot, [loss, _])| slots.share(slot) * loss).sum::<f64>();
        let right = counted.iter().map(|[_, right]| right).sum::<f64>();

        let gradient_norm = match self.training.clip_norm {
            Some(limit) => clip_norm(&mut lesson.gradients, limit),
            None => global_norm(&lesson.gradients),
        };
        if !gradient_norm.is_finite() {
            let origin = diagnosis::of_gradients(run.model, &lesson.gradients);
            return Err(not_finite(run, gradient_norm, origin, learning_rate));
        }
        self.optimizer.set_learning_rate(learning_rate);
        run.update(&lesson, &mut *self.optimizer);
        run.count(indices.len(), right, loss, learning_rate);
        let score = run.score(right, indices.len());
        let images = indices.len();
        let progress = Progress { epoch, step: step + 1, steps, images, score, loss, gradient_norm, learning_rate };
        Ok((progress, wished))
    }

    /// Learns from a slot, the images with these indices. Returns their mean loss and the sum of their scores, too.
    fn learn(
        &self,
        run: &Run<'_>,
        mut batch: Batch,
        indices: &[usize],
        features: &Features,
        slots: Slots,
        slot: usize,
        learning_rate: f64,
    ) -> Result<(Lesson, [f64; 2]), TrainError> {
        if let (Targets::Values(values), Some(standard)) = (&mut batch.targets, run.standard()) {
            *values = standard.standardized(values);
        }
        let (seed, share) = (dropout_seed(self.training.seed, run.at.step, slot), slots.share(slot));
        let (trunk, values) = (features.trunk(), features.of(run.model, indices, &batch.images)?);
        let (smoothing, positive) = (self.training.label_smoothing, self.positive_weights.as_deref());
        let own = self.loss.as_deref();
        let mean = |logits: &Var<f32>| match own {
            Some(loss) => loss(logits, &batch),
            None => fitting_loss(logits, &batch.targets, smoothing, positive),
        };
        let step = StepGradients::compute_after(run.model, trunk, values.clone(), seed, share, mean);
        let loss = f64::from(step.loss);
        if !loss.is_finite() {
            return Err(not_finite(run, loss, diagnosis::of_loss(run.model, trunk, &values, seed), learning_rate));
        }
        let right = rightness(&step.logits, &batch.targets);
        Ok((Lesson::of_slot(step, share), [loss, right]))
    }
}

/// The error of the current step's loss or gradient.
fn not_finite(run: &Run<'_>, value: f64, origin: diagnosis::Origin, learning_rate: f64) -> TrainError {
    TrainError::NotFinite { value, step: run.at.step + 1, epoch: run.at.epoch + 1, origin, learning_rate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Augmentation, Dataset, LabelledImages, Loader, fashion_mnist};
    use crate::layers::{BatchNorm, Conv2d, Dropout, GlobalAvgPool, Linear, Relu};
    use crate::optim::{Optimizer, Sgd, WeightAverage};
    use crate::train::Training;
    use crate::{Model, ModelInfo};

    const CLIP: f64 = 0.5;
    const TRAINING: Training = Training {
        epochs: 2,
        batch_size: 16,
        slot_size: Some(4),
        learning_rate: 0.1,
        schedule: crate::optim::Schedule { warmup: 0.0, decay: crate::optim::Decay::Constant },
        label_smoothing: 0.1,
        clip_norm: Some(CLIP),
        weight_average: Some(0.9),
        patience: None,
        seed: 5,
    };

    fn augmentation() -> Augmentation {
        Augmentation { flip: true, shift: 2, mixup: 0.2, ..Augmentation::default() }
    }

    fn images(count: usize) -> LabelledImages {
        fashion_mnist::train().subset(&(0..count).collect::<Vec<_>>())
    }

    fn model() -> Model {
        let normalization = Some(images(100).statistics());
        let info = ModelInfo { classes: fashion_mnist::classes(), normalization, ..ModelInfo::default() };
        let builder = Model::builder([28, 28, 1]).layer("conv", Conv2d::new(6, 3).stride(2).without_bias());
        let builder = builder.layer("bn", BatchNorm::new()).layer("relu", Relu);
        let builder = builder.layer("drop", Dropout { probability: 0.25 }).layer("gap", GlobalAvgPool);
        builder.layer("fc", Linear::new(10)).info(info).build(3).unwrap()
    }

    fn trained(training: Training, count: usize) -> Model {
        let (mut model, images) = (model(), images(count));
        let trainer = Trainer::new(training, Sgd::new(0.1, 0.9)).augmentation(augmentation());
        trainer.class_weights(images.class_weights()).fit(&mut model, &images).unwrap();
        model
    }

    /// Shares of the batch are powers of two here, so that weighting is exact wherever it is done.
    #[test]
    fn slots_are_batches_of_their_own_whose_lessons_are_added() {
        let (mut model, images) = (model(), images(40));
        let (mut average, mut sgd) = (WeightAverage::new(&model, 0.9), Sgd::new(0.1, 0.9));
        let (normalization, weights) = (model.info().normalization.clone().unwrap(), images.class_weights());
        let loader = Loader::new(&images, &normalization, 16).shuffled(5).weighted(&weights);
        let augmentation = augmentation();
        let loader = loader.augmented(&augmentation, 5).unwrap();
        let mut step = 0;
        for epoch in 0..2 {
            for indices in loader.order(epoch).chunks(16) {
                let slots: Vec<&[usize]> = indices.chunks(4).collect();
                let share = 1.0 / slots.len() as f32;
                let mut lessons = slots.iter().enumerate().map(|(slot, indices)| {
                    let Batch { images, targets } = loader.assemble(epoch, indices).unwrap();
                    let loss = |logits: &Var<f32>| fitting_loss(logits, &targets, 0.1, None);
                    let step = StepGradients::compute(&model, images, (5 + step) ^ (slot as u64) << 32, loss).unwrap();
                    let StepGradients { gradients, statistics, .. } = step;
                    let gradients = gradients.into_iter().map(|(index, g)| (index, g.map(|g| g * share))).collect();
                    let mut lesson = Lesson { gradients, statistics };
                    for statistics in &mut lesson.statistics {
                        let batch = &mut statistics.batch;
                        batch.mean = batch.mean.clone().map(|x| x * share);
                        batch.variance = batch.variance.clone().map(|x| x * share);
                    }
                    lesson
                });
                let mut pair = || {
                    let mut left = lessons.next().unwrap();
                    left.add(lessons.next().unwrap());
                    left
                };
                let mut sum = pair();
                if slots.len() == 4 {
                    sum.add(pair());
                }
                drop(lessons);
                clip_norm(&mut sum.gradients, CLIP);
                sgd.set_learning_rate(0.1);
                model.update_statistics(&sum.statistics);
                sgd.step(model.parameters_mut(), &sum.gradients);
                average.update(&model);
                step += 1;
            }
        }
        assert_eq!(trained(TRAINING, 40).parameters(), average.model().parameters());
    }

    #[test]
    fn one_slot_is_the_batch() {
        let whole = trained(Training { slot_size: None, ..TRAINING }, 41);
        assert_eq!(trained(Training { slot_size: Some(16), ..TRAINING }, 41), whole);
        assert_eq!(trained(Training { slot_size: Some(1000), ..TRAINING }, 41), whole);
        assert_ne!(trained(Training { slot_size: Some(8), ..TRAINING }, 41), whole);
    }

    /// Of a network whose layers see each image alone, slots change the rounding only. Batches of 16 are 6, 6 and 4 images; the
    /// last batch is one of 9.
    #[test]
    fn slots_have_the_gradient_of_the_batch() {
        let step = |slot_size| {
            let builder = Model::builder([28, 28, 1]).layer("conv", Conv2d::new(6, 3).stride(2)).layer("relu", Relu);
            let builder = builder.layer("gap", GlobalAvgPool).layer("fc", Linear::new(10));
            let (mut model, images) = (builder.info(model().info().clone()).build(3).unwrap(), images(41));
            let training = Training { slot_size, epochs: 1, weight_average: None, ..TRAINING };
            let trainer = Trainer::new(training, Sgd::new(0.1, 0.9)).class_weights(images.class_weights());
            let trained = trainer.fit(&mut model, &images).unwrap();
            (model, trained.history[0])
        };
        let ((whole, seen), (slots, seen_in_slots)) = (step(None), step(Some(6)));
        assert_ne!(whole, slots);
        assert_eq!(seen.score, seen_in_slots.score);
        approx::assert_relative_eq!(seen.loss, seen_in_slots.loss, max_relative = 16.0 * f64::from(f32::EPSILON));
        for (whole, slots) in whole.parameters().iter().zip(slots.parameters()) {
            let largest = whole.value.as_slice().iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            // Three steps, and sums of up to 16 · 14 · 14 products.
            approx::assert_abs_diff_eq!(whole.value, slots.value, epsilon = 64.0 * f32::EPSILON * largest);
        }
    }
}
