//! Models in files: safetensors, with the architecture in the metadata.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::error::{FileError, FileErrorKind};
use super::{Model, ModelBuilder, ModelError, ModelInfo};
use crate::files::write_whole;
use crate::layer::Layer;

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

/// Of any version.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl Model<f32> {
    /// Writes the model to one safetensors file: the weights, and the architecture, class names and normalization as
    /// JSON under `glassbox` in its metadata. The file appears whole or not at all: a crash leaves an old one as it was.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let write = || Ok(write_whole(path, &self.to_bytes()?)?);
        write().map_err(|kind| FileError { path: path.into(), kind })
    }

    /// The model as the bytes of a safetensors file.
    ///
    /// # Errors
    /// Where the architecture can't be written as JSON, a number in it not being finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileErrorKind> {
        let metadata = HashMap::from([(KEY.to_string(), self.architecture_json()?)]);
        let data: Vec<Vec<u8>> = self.parameters.iter().map(|p| bytes(&p.value)).collect();
        let views = (self.parameters.iter().zip(&data))
            .map(|(p, data)| Ok((p.name.as_str(), TensorView::new(Dtype::F32, p.value.shape().to_vec(), data)?)))
            .collect::<Result<Vec<_>, FileErrorKind>>()?;
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Reads a model that [`save`](Self::save) wrote. Weights in f16, bf16 and f64 become f32.
    ///
    /// # Errors
    /// Where the file can't be read, isn't such a model, its weights don't fit its architecture or aren't finite, or its layers
    /// ask for more memory than can be meant.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let read = || Self::from_bytes(&fs::read(path)?);
        read().map_err(|kind| FileError { path: path.into(), kind })
    }

    /// Reads a model from the bytes of a safetensors file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileErrorKind> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let json = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY)).ok_or(FileErrorKind::Foreign)?;
        let AnyFormat { format } = serde_json::from_str(json)?;
        if format != FORMAT {
            return Err(FileErrorKind::Format { expected: FORMAT, found: format });
        }
        let architecture: Architecture = serde_json::from_str(json)?;
        let weights = SafeTensors::deserialize(bytes)?;

        let mut builder = ModelBuilder::new(architecture.input).info(architecture.info);
        for NamedLayer { name, inputs, layer } in architecture.layers {
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            builder = builder.layer_from(name, layer, &inputs);
        }
        let model = builder.assemble(|_, _, _, name, expected| {
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

    /// All but the weights, as it stands in a file.
    pub(crate) fn architecture_json(&self) -> Result<String, FileErrorKind> {
        Ok(serde_json::to_string(&self.architecture())?)
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

/// The elements of a tensor as f32, all of them finite.
pub(crate) fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, FileErrorKind> {
    fn read<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
    }
    let values = match view.dtype() {
        Dtype::F32 => read(view.data(), f32::from_le_bytes),
        Dtype::F16 => read(view.data(), |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => read(view.data(), |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => read(view.data(), |b| f64::from_le_bytes(b) as f32),
        found => return Err(FileErrorKind::Dtype { name: name.into(), found: format!("{found:?}") }),
    };
    match values.iter().find(|value| !value.is_finite()) {
        Some(&found) => Err(FileErrorKind::NotFinite { name: name.into(), found }),
        None => Ok(values),
    }
}

/// The bytes of a tensor of f32.
pub(crate) fn bytes(values: &Tensor<f32>) -> Vec<u8> {
    values.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect()
}
