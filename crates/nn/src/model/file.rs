//! Model files: safetensors with the architecture in the metadata.

use std::fs;
use std::path::Path;

use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::error::{FileError, FileErrorKind};
use super::tensors::{entry, floats, format_of, serialize};
use super::{Model, ModelBuilder, ModelError, ModelInfo};
use crate::files::write_whole;
use crate::layers::layer::Layer;

/// The metadata entry that holds the architecture.
const KEY: &str = "glassbox";
/// Version of that entry.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Architecture {
    format: u32,
    /// `[H, W, C]`.
    input: [usize; 3],
    layers: Vec<NamedLayer>,
    #[serde(flatten)]
    info: ModelInfo,
}

#[derive(Serialize, Deserialize)]
struct NamedLayer {
    name: String,
    inputs: Vec<String>,
    layer: Layer,
}

impl Model<f32> {
    /// Writes the model to a safetensors file. The architecture, class names and preprocessing are JSON under `glassbox` in its
    /// metadata. The file is replaced atomically: after a crash, an old one is as it was.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        FileError::within(path.as_ref(), |path| Ok(write_whole(path, &self.to_bytes()?)?))
    }

    /// The model as the bytes of a safetensors file.
    ///
    /// # Errors
    /// If the file's header would be too large.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileErrorKind> {
        let architecture = self.architecture_json().map_err(FileErrorKind::Architecture)?;
        let tensors = self.parameters.iter().map(|p| (p.name.clone(), p.value.clone()));
        serialize(tensors, Some((KEY, architecture))).map_err(FileErrorKind::Safetensors)
    }

    /// Reads a model written by [`save`](Self::save). Weights in f16, bf16 and f64 are converted to f32.
    ///
    /// # Errors
    /// If the file can't be read or isn't such a model, its weights don't fit its architecture or aren't finite, or its layers
    /// exceed a limit.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        FileError::within(path.as_ref(), |path| Self::from_bytes(&fs::read(path)?))
    }

    /// Reads a model from the bytes of a safetensors file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileErrorKind> {
        let json = entry(bytes, KEY).map_err(FileErrorKind::Safetensors)?.ok_or(FileErrorKind::Foreign)?;
        let found = format_of(&json).map_err(FileErrorKind::Architecture)?;
        if found != FORMAT {
            return Err(FileErrorKind::Format { expected: FORMAT, found });
        }
        let architecture: Architecture = serde_json::from_str(&json).map_err(FileErrorKind::Architecture)?;
        let weights = SafeTensors::deserialize(bytes).map_err(FileErrorKind::Safetensors)?;

        let mut builder = ModelBuilder::new(architecture.input).info(architecture.info);
        for NamedLayer { name, inputs, layer } in architecture.layers {
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            builder = builder.layer_from(name, layer, &inputs);
        }
        let model = builder.assemble(|_, name, spec| {
            let expected = &spec.shape[..];
            let view = weights.tensor(name).map_err(|_| ModelError::MissingParameter(name.into()))?;
            if view.shape() != expected {
                let (expected, found) = (expected.to_vec(), view.shape().to_vec());
                return Err(ModelError::ParameterShape { name: name.into(), expected, found }.into());
            }
            Ok::<_, FileErrorKind>(Tensor::new(expected, floats(name, &view)?))
        })?;
        match weights.names().into_iter().find(|name| model.parameter(name).is_none()) {
            Some(name) => Err(ModelError::UnknownParameter(name.to_string()).into()),
            None => Ok(model),
        }
    }

    /// The architecture, class names and preprocessing, as in a file's metadata.
    pub(crate) fn architecture_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.architecture())
    }

    fn architecture(&self) -> Architecture {
        let layers = self.nodes.iter().map(|node| NamedLayer {
            name: node.name.clone(),
            inputs: node.inputs.iter().map(|&source| self.source_name(source).to_string()).collect(),
            layer: node.layer.clone(),
        });
        Architecture { format: FORMAT, input: self.input, layers: layers.collect(), info: self.info.clone() }
    }
}
