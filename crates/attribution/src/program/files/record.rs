//! The record of a picture's explanations, from which they can be repeated and compared bit by bit.

use std::fs;
use std::path::{Path, PathBuf};

use attribution::{Map, Method};
use nn::Model;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tensor::simd::tier;

use super::Failure;
use super::asked::Asked;
use super::folder;
use super::picture::Picture;

/// The inputs and results of an explanation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Version of Glassbox.
    pub(crate) glassbox: String,
    /// Instruction set. Another one may round differently.
    pub(crate) simd: String,
    pub(crate) model: Hashed,
    pub(crate) input: Hashed,
    pub(crate) explanations: Vec<Explained>,
}

/// A file and a SHA-256. For a network, it is the hash of its layers, weights and class names, as `glassbox train`
/// saves them; for a picture, the hash of the network's input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hashed {
    /// `None` for the built-in network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    pub(crate) sha256: String,
}

/// A map.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explained {
    /// The method's name on the command line.
    pub(crate) method: String,
    /// All of the method's settings. Null if it has none, and in records of versions without settings.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) settings: Value,
    pub(crate) target: Asked,
    /// The target in words.
    pub(crate) why: String,
    /// The layers; empty for maps of the input.
    pub(crate) layers: Vec<String>,
    /// The operations that a backward rule replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    pub(crate) verdict: String,
    pub(crate) shape: Vec<usize>,
    /// The hash of the signed values, f32 in little-endian order.
    pub(crate) sha256: String,
}

impl Record {
    /// A record without explanations.
    pub(crate) fn new(model: Hashed, input: Hashed) -> Self {
        let explanations = Vec::new();
        Self { glassbox: env!("CARGO_PKG_VERSION").into(), simd: tier().to_string(), model, input, explanations }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
        let record = serde_json::from_slice(&text);
        record.map_err(|error| {
            format!("{}: expected the record that `glassbox explain` writes: {error}", path.display()).into()
        })
    }

    /// Writes the file atomically.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        folder::write(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}

impl Explained {
    /// The map of a method for a target.
    pub(crate) fn new(method: &dyn Method, model: &Model, target: &Asked, why: &str, map: &Map) -> Self {
        Self {
            method: method.about().id.into(),
            settings: method.settings(Some(model)),
            target: target.clone(),
            why: why.into(),
            layers: map.layers().to_vec(),
            rule: map.coverage().map(ToString::to_string),
            verdict: map.verdict().to_string(),
            shape: shape_of(map),
            sha256: of_map(map),
        }
    }
}

impl Hashed {
    pub(crate) fn picture(file: &Path, picture: &Picture) -> Self {
        Self { file: Some(file.into()), sha256: of_values(picture.input.as_slice().iter().copied()) }
    }
}

/// The shape of a map in files: `[h, w]` of cells, or `[H, W, C]` of the input's pixels.
pub(crate) fn shape_of(map: &Map) -> Vec<usize> {
    match *map.raw().shape() {
        [height, width, 1] if !map.is_of_pixels() => vec![height, width],
        ref shape => shape.to_vec(),
    }
}

/// The SHA-256 of a network.
pub(crate) fn of_model(model: &Model) -> Result<String, Failure> {
    Ok(hex(&Sha256::digest(model.to_bytes()?)))
}

/// The SHA-256 of a map's signed values.
pub(crate) fn of_map(map: &Map) -> String {
    of_values(map.raw().iter().copied())
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

    #[test]
    fn records_without_settings_are_read() {
        let explained = r#"{"method": "rise", "target": {"class": 3}, "why": "coat", "layers": [], "verdict": "evidence",
            "shape": [4, 4], "sha256": ""}"#;
        let explained: Explained = serde_json::from_str(explained).unwrap();
        assert!(explained.settings.is_null());
    }
}
