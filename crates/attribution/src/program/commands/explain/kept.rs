//! A picture's part of the report and the summaries.

use std::io::Cursor;

use attribution::Photo;
use attribution::render::{Panel, encode_png};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::folders::small;
use super::outcome::Outcome;
use crate::program::report::{Choice, Entry};
use crate::program::terminal::Failure;

/// A picture's part of the report and the summaries.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) choice: Choice,
    /// The names of its methods.
    pub(super) methods: Vec<String>,
    /// Of a picture in a folder: small panels, for a row of a summary.
    #[serde(serialize_with = "as_png", deserialize_with = "from_png")]
    pub(super) row: Vec<Panel>,
    pub(super) outcome: Option<Outcome>,
}

impl Kept {
    /// `panels` are those of the first class, and kept of pictures in folders.
    pub(super) fn new(
        entry: Entry,
        panels: Vec<Panel>,
        is_in_folder: bool,
        outcome: Option<Outcome>,
    ) -> Result<Self, Failure> {
        let (choice, methods) = entry.finish()?;
        let methods = methods.into_iter().map(|method| method.id).collect();
        let row = panels.into_iter().filter(|_| is_in_folder).map(|panel| panel.map(small)).collect();
        Ok(Self { choice, methods, row, outcome })
    }
}

/// Each panel as a PNG file in base64, a name and a detail.
fn as_png<S: Serializer>(row: &[Panel], serializer: S) -> Result<S::Ok, S::Error> {
    let encoded = row.iter().map(|panel| {
        let (picture, name, detail) = panel.parts();
        let file = encode_png(picture).map_err(serde::ser::Error::custom)?;
        Ok((STANDARD.encode(file), name, detail))
    });
    serializer.collect_seq(encoded.collect::<Result<Vec<_>, S::Error>>()?)
}

fn from_png<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Panel>, D::Error> {
    let encoded = Vec::<(String, String, String)>::deserialize(deserializer)?;
    let panel = |(file, name, detail): (String, String, String)| {
        let file = STANDARD.decode(file).map_err(D::Error::custom)?;
        let picture = Photo::read(Cursor::new(file), &name).map_err(D::Error::custom)?;
        Ok(Panel::new(picture.to_rgb(), name).detail(detail))
    };
    encoded.into_iter().map(panel).collect()
}
