//! `run.json`: settings and results.

use std::collections::BTreeMap;
use std::path::Path;

use nn::train::Training;
use serde::Serialize;

use super::score::Score;
use crate::program::files::folder;
use crate::program::terminal::Failure;

/// The settings and the results of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Run<'a> {
    /// Version of Glassbox.
    pub(crate) version: &'static str,
    /// Instruction set.
    pub(crate) simd: String,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) training_images: usize,
    pub(crate) test_images: usize,
    pub(crate) training: &'a Training,
    pub(crate) parameters: usize,
    /// Share of test images that are classified correctly.
    pub(crate) accuracy: f64,
    /// Mean cross-entropy over the test images.
    pub(crate) loss: f64,
    /// Seconds since the start of the run.
    pub(crate) seconds: f64,
    pub(crate) seconds_training: f64,
    pub(crate) explanations: BTreeMap<String, Score>,
}

impl Run<'_> {
    /// Writes the file atomically.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        folder::write(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}
