//! `run.json`: what was run, and what came out.

use std::collections::BTreeMap;
use std::path::Path;

use nn::train::Training;
use serde::Serialize;

use super::score::Score;
use crate::files::folder;
use crate::terminal::Failure;

/// What was run and measured.
#[derive(Debug, Serialize)]
pub(crate) struct Run<'a> {
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

impl Run<'_> {
    /// Writes it whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        folder::write(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}
