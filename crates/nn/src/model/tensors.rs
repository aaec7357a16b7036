//! Tensors in safetensors files.

use std::borrow::Cow;
use std::collections::HashMap;

use half::{bf16, f16};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use serde::Deserialize;
use tensor::Tensor;
use thiserror::Error;

/// A tensor in a file that can't be a parameter.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// Its elements aren't floating-point numbers.
    #[error("parameter `{name}` holds {found}; f16, bf16, f32 and f64 are read")]
    Dtype {
        /// Its name in the file.
        name: String,
        /// Its element type.
        found: String,
    },
    /// An element is NaN or infinite.
    #[error("parameter `{name}` holds {found}; expected finite numbers")]
    NotFinite {
        /// Its name in the file.
        name: String,
        /// The first such element.
        found: f32,
    },
}

/// A tensor as the elements of a safetensors file.
struct Stored(Tensor<f32>);

impl View for Stored {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.0.as_slice())
    }
}

/// The bytes of a safetensors file with these tensors, and with one entry in its metadata.
pub(crate) fn serialize(
    tensors: impl IntoIterator<Item = (String, Tensor<f32>)>,
    entry: Option<(&str, String)>,
) -> Result<Vec<u8>, SafeTensorError> {
    let metadata = entry.map(|(key, value)| HashMap::from([(key.to_string(), value)]));
    safetensors::serialize(tensors.into_iter().map(|(name, value)| (name, Stored(value))), metadata)
}

/// An entry of a safetensors file's metadata.
pub(crate) fn entry(file: &[u8], key: &str) -> Result<Option<String>, SafeTensorError> {
    let (_, metadata) = SafeTensors::read_metadata(file)?;
    Ok(metadata.metadata().as_ref().and_then(|entries| entries.get(key)).cloned())
}

/// The version of a metadata entry, which its field `format` gives whatever the other fields are.
pub(crate) fn format_of(json: &str) -> serde_json::Result<u32> {
    #[derive(Deserialize)]
    struct AnyVersion {
        format: u32,
    }
    serde_json::from_str(json).map(|AnyVersion { format }| format)
}

/// The elements of a tensor as f32, all of them finite.
pub(crate) fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, TensorError> {
    fn read<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
    }
    let values = match view.dtype() {
        Dtype::F32 => read(view.data(), f32::from_le_bytes),
        Dtype::F16 => read(view.data(), |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => read(view.data(), |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => read(view.data(), |b| f64::from_le_bytes(b) as f32),
        found => return Err(TensorError::Dtype { name: name.into(), found: format!("{found:?}") }),
    };
    match values.iter().find(|value| !value.is_finite()) {
        Some(&found) => Err(TensorError::NotFinite { name: name.into(), found }),
        None => Ok(values),
    }
}
