//! The state of a training, in memory and in its checkpoint.
//!
//! All random draws come from streams identified by the seed, the epoch and the step, so these numbers are the whole random
//! state.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize, Serializer};
use tensor::Tensor;

use super::Training;
use super::course::{Epoch, best};
use super::error::{CheckpointError, CheckpointErrorKind, Difference, TrainError};
use super::evaluation::Scores;
use super::lesson::Lesson;
use super::ranks::{Exchange, hash};
use super::score::Score;
use super::standard::Standard;
use crate::data::Augmentation;
use crate::files::write_whole;
use crate::model::{Model, ModelError, entry, floats, format_of, serialize};
use crate::optim::{Optimizer, WeightAverage};

/// The file name of the checkpoint from which a training can be resumed.
pub const LAST: &str = "last.checkpoint.safetensors";
/// The file name of the model after its best epoch.
pub const BEST: &str = "best.safetensors";

/// The metadata entry that holds the rest of a checkpoint.
const KEY: &str = "glassbox-checkpoint";
/// Version of that entry.
const FORMAT: u32 = 2;
/// Prefixes of the names of tensors; those of the optimiser's tensors are the names of its moments.
const MODEL: &str = "model";
const AVERAGE: &str = "average";

/// A position in a training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// Number of finished epochs.
    pub(super) epoch: usize,
    /// Number of finished batches of the current epoch.
    pub(super) batch: usize,
    /// Number of steps so far.
    pub(super) step: usize,
    /// Of the finished batches of this epoch: number of images, sum of their scores, and sum of the losses.
    images: usize,
    #[serde(serialize_with = "as_count")]
    right: f64,
    loss: f64,
    /// Learning rate of the last step.
    learning_rate: f64,
    pub(super) history: Vec<Epoch>,
}

/// Writes a whole number without decimals: the number of correctly classified images.
fn as_count<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = number.fract() == 0.0 && number.abs() < f64::from(1 << 30);
    if whole { serializer.serialize_i64(*number as i64) } else { serializer.serialize_f64(*number) }
}

/// What must be the same in a training and in the checkpoint that it is resumed from, besides the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    pub(super) training: Training,
    pub(super) augmentation: Augmentation,
    pub(super) class_weights: Option<Vec<f64>>,
    /// Number of images in an epoch.
    pub(super) images: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) positive_weights: Option<Vec<f64>>,
    /// Of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) standard: Option<Standard>,
}

/// A running training.
pub(super) struct Run<'m> {
    kind: Kind,
    pub(super) model: &'m mut Model<f32>,
    pub(super) average: Option<WeightAverage>,
    pub(super) at: Position,
    /// The score of the steps.
    score: fn(f64) -> Score,
}

/// What a checkpoint holds besides its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    kind: Kind,
    architecture: String,
    /// The [frozen](Model::freeze) layers that training would change otherwise.
    frozen: Vec<String>,
    optimizer_steps: u64,
    average_steps: u64,
    at: Position,
}

impl<'m> Run<'m> {
    pub(super) fn new(
        kind: Kind,
        model: &'m mut Model<f32>,
        average: Option<WeightAverage>,
        score: fn(f64) -> Score,
    ) -> Self {
        Self { kind, model, average, at: Position::default(), score }
    }

    /// The statistics of the values that are trained.
    pub(super) fn standard(&self) -> Option<&Standard> {
        self.kind.standard.as_ref()
    }

    /// The mean score of `images` images with this sum.
    pub(super) fn score(&self, sum: f64, images: usize) -> Score {
        (self.score)(sum / images.max(1) as f64)
    }

    /// The number of batches in an epoch.
    pub(super) fn batches(&self) -> usize {
        self.kind.images.div_ceil(self.kind.training.batch_size.max(1))
    }

    /// The number of steps of the whole training, or `usize::MAX` if it is larger.
    pub(super) fn steps(&self) -> usize {
        self.kind.training.epochs.saturating_mul(self.batches())
    }

    /// What must be the same on all ranks, with hashes of it.
    pub(super) fn facts(&self, optimizer: &dyn Optimizer<f32>) -> [(&'static str, u64); 6] {
        let json = |value: serde_json::Result<String>| hash(value.unwrap_or_else(|error| error.to_string()).bytes());
        let mut probe = Lesson::of_probe(self.model, self.model.trunk());
        let values = probe.values();
        let probe = values.iter().flat_map(|values| values.iter().map(|value| value.to_bits()));
        [
            ("version", hash(env!("CARGO_PKG_VERSION").bytes())),
            ("settings", json(serde_json::to_string(&self.kind))),
            ("layers", json(self.model.architecture_json())),
            ("optimiser", hash(optimizer.state().moments.iter().map(|moments| moments.name))),
            ("weights", self.weights()),
            // Instructions, or algorithms, that round otherwise.
            ("arithmetic", hash(probe)),
        ]
    }

    /// A hash of the weights and running statistics.
    pub(super) fn weights(&self) -> u64 {
        let values = self.model.parameters().iter().flat_map(|parameter| parameter.value.as_slice());
        hash(values.map(|value| value.to_bits()))
    }

    /// The model that is validated and saved: the averaged one, if there is an average, with values in their units.
    pub(super) fn validated(&self) -> Result<Cow<'_, Model<f32>>, TrainError> {
        let model = self.average.as_ref().map_or(&*self.model, WeightAverage::model);
        match self.standard() {
            Some(standard) => {
                let mut model = model.clone();
                standard.apply(&mut model)?;
                Ok(Cow::Owned(model))
            }
            None => Ok(Cow::Borrowed(model)),
        }
    }

    /// The number of epochs since the best one; 0 before the first.
    pub(super) fn epochs_since_best(&self) -> usize {
        best(&self.at.history).map_or(0, |best| self.at.history.len() - 1 - best)
    }

    /// Updates the model and the average.
    pub(super) fn update(&mut self, lesson: &Lesson, optimizer: &mut dyn Optimizer<f32>) {
        self.model.update_statistics(&lesson.statistics);
        optimizer.step(self.model.parameters_mut(), &lesson.gradients);
        if let Some(average) = &mut self.average {
            average.update(self.model);
        }
    }

    /// Counts a step.
    pub(super) fn count(&mut self, images: usize, right: f64, loss: f64, learning_rate: f64) {
        let at = &mut self.at;
        (at.batch, at.step, at.learning_rate) = (at.batch + 1, at.step + 1, learning_rate);
        (at.images, at.right, at.loss) = (at.images + images, at.right + right, at.loss + loss * images as f64);
    }

    /// Counts an epoch.
    pub(super) fn end_epoch(&mut self, validation: Option<Scores>) -> Epoch {
        let Position { epoch, step, images, right, loss, learning_rate, .. } = self.at;
        let seen = images.max(1) as f64;
        let score = self.score(right, images);
        let report = Epoch { epoch, step, loss: loss / seen, score, learning_rate, validation };
        let mut history = std::mem::take(&mut self.at.history);
        history.push(report);
        self.at = Position { epoch: epoch + 1, step, history, ..Position::default() };
        report
    }

    /// Writes the checkpoint in `folder`, atomically.
    pub(super) fn save(&self, folder: &Path, optimizer: &dyn Optimizer<f32>) -> Result<(), CheckpointError> {
        CheckpointError::within(&folder.join(LAST), |path| Ok(write_whole(path, &self.to_bytes(optimizer)?)?))
    }

    fn to_bytes(&self, optimizer: &dyn Optimizer<f32>) -> Result<Vec<u8>, CheckpointErrorKind> {
        let header = Header {
            format: FORMAT,
            kind: self.kind.clone(),
            architecture: self.model.architecture_json().map_err(CheckpointErrorKind::Checkpoint)?,
            frozen: self.model.frozen_layers(),
            optimizer_steps: optimizer.state().steps,
            average_steps: self.average.as_ref().map_or(0, WeightAverage::steps),
            at: self.at.clone(),
        };
        let header = serde_json::to_string(&header).map_err(CheckpointErrorKind::Checkpoint)?;
        let models = [(MODEL, Some(&*self.model)), (AVERAGE, self.average.as_ref().map(WeightAverage::model))];
        let weights = models.into_iter().flat_map(|(prefix, model)| {
            let parameters = model.into_iter().flat_map(|model| model.parameters());
            parameters.map(move |p| (format!("{prefix}/{}", p.name), p.value.clone()))
        });
        let moments = optimizer.state().moments.iter().flat_map(|moments| {
            let values = moments.tensors.iter().zip(self.model.parameters());
            values.filter_map(|(value, p)| Some((format!("{}/{}", moments.name, p.name), value.clone()?)))
        });
        serialize(weights.chain(moments), Some((KEY, header))).map_err(CheckpointErrorKind::Safetensors)
    }

    /// Restores the checkpoint in `folder`, if there is one; the first rank reads it for all.
    pub(super) fn resume(
        &mut self,
        folder: &Path,
        optimizer: &mut dyn Optimizer<f32>,
        exchange: &Exchange<'_>,
    ) -> Result<(), TrainError> {
        let file =
            CheckpointError::within(&folder.join(LAST), |path| match exchange.leads().then(|| fs::read(path)) {
                None => Ok(None),
                Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Some(file) => Ok(Some(file?)),
            })?;
        let Some(file) = exchange.of_first(file)? else { return Ok(()) };
        Ok(CheckpointError::within(&folder.join(LAST), |_| self.restore(&file, optimizer))?)
    }

    /// Restores a checkpoint. After an error nothing has changed.
    fn restore(&mut self, file: &[u8], optimizer: &mut dyn Optimizer<f32>) -> Result<(), CheckpointErrorKind> {
        let json =
            entry(file, KEY).map_err(CheckpointErrorKind::Safetensors)?.ok_or(CheckpointErrorKind::NoCheckpoint)?;
        let found = format_of(&json).map_err(CheckpointErrorKind::Checkpoint)?;
        if found != FORMAT {
            return Err(CheckpointErrorKind::CheckpointFormat { expected: FORMAT, found });
        }
        let header: Header = serde_json::from_str(&json).map_err(CheckpointErrorKind::Checkpoint)?;
        self.compare(&header)?;

        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(file).map_err(CheckpointErrorKind::Safetensors)?.tensors() {
            let parameter = name.split_once('/').and_then(|(_, parameter)| self.model.parameter(parameter));
            let parameter = parameter.ok_or_else(|| ModelError::UnknownParameter(name.clone()))?;
            let (expected, found) = (parameter.shape().to_vec(), view.shape().to_vec());
            if expected != found {
                return Err(ModelError::ParameterShape { name, expected, found }.into());
            }
            if view.dtype() != Dtype::F32 {
                return Err(CheckpointErrorKind::Dtype { name, found: format!("{:?}", view.dtype()) });
            }
            let values = floats(&name, &view)?;
            tensors.insert(name, Tensor::new(expected, values));
        }
        let mut weights = |prefix: &str| {
            let mut model = self.model.clone();
            for parameter in model.parameters_mut() {
                let name = format!("{prefix}/{}", parameter.name);
                parameter.value = tensors.remove(&name).ok_or(ModelError::MissingParameter(name))?;
            }
            Ok::<_, ModelError>(model)
        };
        let model = weights(MODEL)?;
        let average = match self.kind.training.weight_average {
            Some(decay) => Some(WeightAverage::resumed(weights(AVERAGE)?, decay, header.average_steps)),
            None => None,
        };
        let mut state = optimizer.state().clone();
        state.steps = header.optimizer_steps;
        for moments in &mut state.moments {
            let name = |parameter: &str| format!("{}/{parameter}", moments.name);
            moments.tensors = self.model.parameters().iter().map(|p| tensors.remove(&name(&p.name))).collect();
        }
        if let Some(stray) = tensors.into_keys().next() {
            return Err(ModelError::UnknownParameter(stray).into());
        }
        *optimizer.state_mut() = state;
        *self.model = model;
        (self.average, self.at) = (average, header.at);
        Ok(())
    }

    /// Checks that a checkpoint is one of this training.
    fn compare(&self, header: &Header) -> Result<(), CheckpointErrorKind> {
        let same = |difference, expected: &dyn ToString, found: &dyn ToString| {
            let (expected, found) = (expected.to_string(), found.to_string());
            if expected == found {
                Ok(())
            } else {
                Err(CheckpointErrorKind::OtherTraining { difference, expected, found })
            }
        };
        let json = |kind: &Kind| serde_json::to_string(kind).map_err(CheckpointErrorKind::Checkpoint);
        same(Difference::Settings, &json(&self.kind)?, &json(&header.kind)?)?;
        let architecture = self.model.architecture_json().map_err(CheckpointErrorKind::Checkpoint)?;
        same(Difference::Network, &architecture, &header.architecture)?;
        let (here, there) = (self.model.frozen_layers(), &header.frozen);
        let state = |frozen: &[String], layer| if frozen.contains(layer) { "frozen" } else { "trained" };
        if let Some(layer) = here.iter().chain(there).find(|&layer| here.contains(layer) != there.contains(layer)) {
            let [expected, found] = [&here, there].map(|frozen| format!("`{layer}` {}", state(frozen, layer)));
            return Err(CheckpointErrorKind::OtherTraining { difference: Difference::FrozenLayers, expected, found });
        }
        let Position { epoch, batch, step, ref history, .. } = header.at;
        same(Difference::Epochs, &history.len(), &epoch)?;
        let sound = epoch < self.kind.training.epochs && batch <= self.batches()
            || epoch == self.kind.training.epochs && batch == 0;
        let expected = epoch.checked_mul(self.batches()).and_then(|steps| steps.checked_add(batch));
        match expected.filter(|_| sound) {
            Some(expected) => same(Difference::Steps, &expected, &step),
            None => {
                let expected = format!("at most epoch {}", self.kind.training.epochs);
                same(Difference::Position, &expected, &format!("epoch {epoch}"))
            }
        }
    }
}
