//! Where a training stands, in memory and in a file.
//!
//! Everything random is drawn from streams that the seed, the epoch and the step name, so these numbers are the whole
//! random state.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::Training;
use super::course::{Epoch, best};
use super::evaluation::Scores;
use super::step::Lesson;
use crate::data::Augmentation;
use crate::files::write_whole;
use crate::model::{FileError, FileErrorKind, Model, ModelError, bytes, floats};
use crate::optim::{Optimizer, WeightAverage};

/// The file from which a training can go on.
pub const LAST: &str = "last.checkpoint.safetensors";
/// The model after its best epoch.
pub const BEST: &str = "best.safetensors";

/// The metadata entry that holds the rest of a checkpoint.
const KEY: &str = "glassbox-checkpoint";
/// Version of that entry.
const FORMAT: u32 = 2;
/// Kinds of tensors besides the optimiser's.
const MODEL: &str = "model";
const AVERAGE: &str = "average";

/// A position in the course of a training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// Epochs done.
    pub(super) epoch: usize,
    /// Batches done of the next.
    pub(super) batch: usize,
    /// Steps made.
    pub(super) step: usize,
    /// Images of these batches, those that were recognised, and the sum of their losses.
    images: usize,
    right: usize,
    loss: f64,
    /// Of the last step.
    learning_rate: f64,
    pub(super) history: Vec<Epoch>,
}

/// What makes a training another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    pub(super) training: Training,
    pub(super) augmentation: Augmentation,
    pub(super) class_weights: Option<Vec<f64>>,
    /// Images in an epoch.
    pub(super) images: usize,
}

/// A training under way.
pub(super) struct Run<'m> {
    kind: Kind,
    pub(super) model: &'m mut Model<f32>,
    pub(super) average: Option<WeightAverage>,
    pub(super) at: Position,
}

/// What a checkpoint says besides its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    kind: Kind,
    architecture: String,
    /// The layers that training would change and that were [frozen](Model::freeze).
    frozen: Vec<String>,
    optimizer_steps: u64,
    average_steps: u64,
    at: Position,
}

/// Of any version.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl<'m> Run<'m> {
    pub(super) fn new(kind: Kind, model: &'m mut Model<f32>, average: Option<WeightAverage>) -> Self {
        Self { kind, model, average, at: Position::default() }
    }

    fn batches(&self) -> usize {
        self.kind.images.div_ceil(self.kind.training.batch_size.max(1))
    }

    /// Steps in all; as many as can be counted, where the epochs are without end.
    pub(super) fn steps(&self) -> usize {
        self.kind.training.epochs.saturating_mul(self.batches())
    }

    /// The model that is validated and kept: the averaged one, if there is an average.
    pub(super) fn validated(&self) -> &Model<f32> {
        self.average.as_ref().map_or(self.model, WeightAverage::model)
    }

    /// Epochs since the best one; 0 before the first.
    pub(super) fn epochs_since_best(&self) -> usize {
        best(&self.at.history).map_or(0, |best| self.at.history.len() - 1 - best)
    }

    /// One step.
    pub(super) fn learn(&mut self, lesson: &Lesson<f32>, optimizer: &mut dyn Optimizer<f32>) {
        lesson.learn(self.model, optimizer);
        if let Some(average) = &mut self.average {
            average.update(self.model);
        }
    }

    /// Counts a step.
    pub(super) fn count(&mut self, images: usize, right: usize, loss: f64, learning_rate: f64) {
        let at = &mut self.at;
        (at.batch, at.step, at.learning_rate) = (at.batch + 1, at.step + 1, learning_rate);
        (at.images, at.right, at.loss) = (at.images + images, at.right + right, at.loss + loss * images as f64);
    }

    /// Counts an epoch.
    pub(super) fn end_epoch(&mut self, validation: Option<Scores>) -> Epoch {
        let Position { epoch, step, images, right, loss, learning_rate, .. } = self.at;
        let seen = images.max(1) as f64;
        let report = Epoch { epoch, step, loss: loss / seen, accuracy: right as f64 / seen, learning_rate, validation };
        let mut history = std::mem::take(&mut self.at.history);
        history.push(report);
        self.at = Position { epoch: epoch + 1, step, history, ..Position::default() };
        report
    }

    /// Writes the checkpoint to its place in `folder`, whole or not at all.
    pub(super) fn save(&self, folder: &Path, optimizer: &dyn Optimizer<f32>) -> Result<(), FileError> {
        let path = folder.join(LAST);
        let write = || Ok(write_whole(&path, &self.to_bytes(optimizer)?)?);
        write().map_err(|kind| FileError { path: path.clone(), kind })
    }

    fn to_bytes(&self, optimizer: &dyn Optimizer<f32>) -> Result<Vec<u8>, FileErrorKind> {
        let header = Header {
            format: FORMAT,
            kind: self.kind.clone(),
            architecture: self.model.architecture_json()?,
            frozen: self.model.frozen_layers(),
            optimizer_steps: optimizer.state().steps,
            average_steps: self.average.as_ref().map_or(0, WeightAverage::steps),
            at: self.at.clone(),
        };
        let names: Vec<&str> = self.model.parameters().iter().map(|p| p.name.as_str()).collect();
        let weights = |kind: &str, model: &Model<f32>| {
            let each = model.parameters().iter().map(|p| (format!("{kind}/{}", p.name), p.value.clone()));
            each.collect::<Vec<_>>()
        };
        let mut tensors = weights(MODEL, self.model);
        tensors.extend(self.average.iter().flat_map(|average| weights(AVERAGE, average.model())));
        for moments in &optimizer.state().moments {
            let held = moments.tensors.iter().zip(&names);
            tensors
                .extend(held.filter_map(|(tensor, name)| Some((format!("{}/{name}", moments.name), tensor.clone()?))));
        }
        let data: Vec<Vec<u8>> = tensors.iter().map(|(_, value)| bytes(value)).collect();
        let views = (tensors.iter().zip(&data))
            .map(|((name, value), data)| Ok((name, TensorView::new(Dtype::F32, value.shape().to_vec(), data)?)))
            .collect::<Result<Vec<_>, FileErrorKind>>()?;
        let metadata = HashMap::from([(KEY.to_string(), serde_json::to_string(&header)?)]);
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Goes back to the checkpoint in `folder`, if there is one.
    pub(super) fn resume(&mut self, folder: &Path, optimizer: &mut dyn Optimizer<f32>) -> Result<(), FileError> {
        let path = folder.join(LAST);
        let mut read = || match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            file => self.restore(&file?, optimizer),
        };
        read().map_err(|kind| FileError { path: path.clone(), kind })
    }

    /// All of the file is looked at before anything is changed.
    fn restore(&mut self, file: &[u8], optimizer: &mut dyn Optimizer<f32>) -> Result<(), FileErrorKind> {
        let (_, metadata) = SafeTensors::read_metadata(file)?;
        let json =
            metadata.metadata().as_ref().and_then(|entries| entries.get(KEY)).ok_or(FileErrorKind::NoCheckpoint)?;
        let AnyFormat { format } = serde_json::from_str(json).map_err(FileErrorKind::Checkpoint)?;
        if format != FORMAT {
            return Err(FileErrorKind::CheckpointFormat { expected: FORMAT, found: format });
        }
        let header: Header = serde_json::from_str(json).map_err(FileErrorKind::Checkpoint)?;
        self.compare(&header)?;

        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(file)?.tensors() {
            let parameter = name.split_once('/').and_then(|(_, parameter)| self.model.parameter(parameter));
            let parameter = parameter.ok_or_else(|| ModelError::UnknownParameter(name.clone()))?;
            let (expected, found) = (parameter.shape().to_vec(), view.shape().to_vec());
            if expected != found {
                return Err(ModelError::ParameterShape { name, expected, found }.into());
            }
            if view.dtype() != Dtype::F32 {
                return Err(FileErrorKind::Dtype { name, found: format!("{:?}", view.dtype()) });
            }
            let values = floats(&name, &view)?;
            tensors.insert(name, Tensor::new(expected, values));
        }
        let mut weights = |kind: &str| {
            let mut model = self.model.clone();
            for parameter in self.model.parameters() {
                let name = format!("{kind}/{}", parameter.name);
                let value = tensors.remove(&name).ok_or(ModelError::MissingParameter(name))?;
                model.set_parameter(&parameter.name, value)?;
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

    /// Whether a checkpoint is one of this training.
    fn compare(&self, header: &Header) -> Result<(), FileErrorKind> {
        let differs = |what, expected: &dyn ToString, found: &dyn ToString| {
            let (expected, found) = (expected.to_string(), found.to_string());
            if expected == found { Ok(()) } else { Err(FileErrorKind::OtherTraining { what, expected, found }) }
        };
        differs("settings", &serde_json::to_string(&self.kind)?, &serde_json::to_string(&header.kind)?)?;
        differs("network", &self.model.architecture_json()?, &header.architecture)?;
        let (here, there) = (self.model.frozen_layers(), &header.frozen);
        let state = |frozen: &[String], layer| if frozen.contains(layer) { "frozen" } else { "trained" };
        if let Some(layer) = here.iter().chain(there).find(|&layer| here.contains(layer) != there.contains(layer)) {
            let [expected, found] = [&here, there].map(|frozen| format!("`{layer}` {}", state(frozen, layer)));
            return Err(FileErrorKind::OtherTraining { what: "frozen layers", expected, found });
        }
        let Position { epoch, batch, step, ref history, .. } = header.at;
        differs("number of finished epochs", &history.len(), &epoch)?;
        let sound = epoch < self.kind.training.epochs && batch <= self.batches()
            || epoch == self.kind.training.epochs && batch == 0;
        let expected = epoch.checked_mul(self.batches()).and_then(|steps| steps.checked_add(batch));
        match expected.filter(|_| sound) {
            Some(expected) => differs("number of steps", &expected, &step),
            None => {
                differs("position", &format!("at most epoch {}", self.kind.training.epochs), &format!("epoch {epoch}"))
            }
        }
    }
}
