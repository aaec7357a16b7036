//! The record beside a picture's explanations, by which they can be made again and compared to the bit.

use std::fs;
use std::path::{Path, PathBuf};

use nn::Model;
use nn::files::write_whole;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tensor::simd::tier;

use crate::Failure;
use crate::asked::Asked;
use crate::method::Map;
use crate::picture::Picture;

/// What was explained, by what, and what came out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    /// Version of the program.
    pub(crate) glassbox: String,
    /// Instruction set: another may round otherwise.
    pub(crate) simd: String,
    pub(crate) model: Hashed,
    pub(crate) input: Hashed,
    pub(crate) explanations: Vec<Explained>,
}

/// A file, and the SHA-256 of what was taken from it: of a network its layers, weights and class names, as `glassbox train`
/// saves them; of a picture the values that the network got.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hashed {
    /// None for the network in the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    pub(crate) sha256: String,
}

/// One map.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explained {
    /// As on the command line.
    pub(crate) method: String,
    pub(crate) target: Asked,
    /// The target in words.
    pub(crate) why: String,
    /// The layers looked at; none for input-level methods.
    pub(crate) layers: Vec<String>,
    /// What a backward rule replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    pub(crate) verdict: String,
    pub(crate) shape: Vec<usize>,
    /// Of the signed values, f32 in little-endian order.
    pub(crate) sha256: String,
}

impl Audit {
    /// A record without explanations yet.
    pub(crate) fn new(model: Hashed, input: Hashed) -> Self {
        let explanations = Vec::new();
        Self { glassbox: env!("CARGO_PKG_VERSION").into(), simd: tier().to_string(), model, input, explanations }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
        let audit = serde_json::from_slice(&text);
        audit.map_err(|error| {
            format!("{}: expected the record that `glassbox explain` writes: {error}", path.display()).into()
        })
    }

    /// Writes it whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_whole(path, text.as_bytes())
            .map_err(|error| format!("{}: can't be written: {error}", path.display()).into())
    }
}

impl Hashed {
    pub(crate) fn picture(file: &Path, picture: &Picture) -> Self {
        Self { file: Some(file.into()), sha256: of_values(picture.input.as_slice().iter().copied()) }
    }
}

/// The SHA-256 of a network.
pub(crate) fn of_model(model: &Model) -> Result<String, Failure> {
    Ok(hex(&Sha256::digest(model.to_bytes()?)))
}

/// The SHA-256 of a map's signed values.
pub(crate) fn of_map(map: &Map) -> String {
    match map {
        Map::Cells(map) => of_values(map.raw().iter().copied()),
        Map::Pixels(map) => of_values(map.raw().iter().copied()),
    }
}

fn of_values(values: impl Iterator<Item = f32>) -> String {
    let mut hash = Sha256::new();
    values.for_each(|value| hash.update(value.to_le_bytes()));
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty message's hash is well known.
    #[test]
    fn hashes_are_written_in_hexadecimal() {
        assert_eq!(of_values(std::iter::empty()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_ne!(of_values([0.0].into_iter()), of_values([-0.0].into_iter()), "bits are compared, not values");
    }
}
