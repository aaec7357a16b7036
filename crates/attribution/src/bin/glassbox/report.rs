//! `run.json`: what was run, and what came out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nn::train::Training;
use serde::Serialize;

use crate::Failure;
use crate::score::Score;

/// What was run and measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    /// Version of the program.
    pub(crate) version: &'static str,
    /// Instruction set that was used.
    pub(crate) simd: String,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) training_images: usize,
    pub(crate) test_images: usize,
    pub(crate) training: &'a Training,
    pub(crate) parameters: usize,
    /// Share of test images whose likeliest class is theirs.
    pub(crate) accuracy: f64,
    /// Mean cross-entropy over the test images.
    pub(crate) loss: f64,
    /// From the start to here.
    pub(crate) seconds: f64,
    pub(crate) seconds_training: f64,
    pub(crate) explanations: BTreeMap<String, Score>,
}

impl Report<'_> {
    /// Writes it whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let part = path.with_extension("json.part");
        let written =
            fs::write(&part, serde_json::to_string_pretty(self)? + "\n").and_then(|()| fs::rename(&part, path));
        written.map_err(|error| format!("{}: can't be written: {error}", path.display()).into())
    }
}
