//! The command line of `glassbox demo`.

use std::path::PathBuf;

use clap::Parser;

use crate::program::terminal::values::positive;

/// Train, explain, score and draw: the whole pipeline on real images, in about a minute
///
/// The task: each picture shows one garment of Fashion-MNIST at a random position, among crops of others. Training uses
/// only the garment's class, never its position. CAM, Grad-CAM, guided backpropagation and guided Grad-CAM then show
/// where the network looked. Since the garment's true box is known, each can be scored: by the pointing game (does the
/// strongest pixel lie in the box?) and by the box score (does a box around the strong part overlap the true box by
/// more than half?).
///
/// The same seed gives the same figures. Ctrl-C stops after the current step and saves the network.
#[derive(Debug, Parser)]
pub(crate) struct DemoArgs {
    /// Training epochs; objects are placed at new random positions in each
    #[arg(long, value_name = "N", default_value = "8", value_parser = positive)]
    pub(crate) epochs: usize,

    /// Training images, at most 6000
    #[arg(long, value_name = "N", default_value = "6000", value_parser = positive)]
    pub(crate) images: usize,

    /// Test images for the accuracy and the scores, at most 1000
    #[arg(long, value_name = "N", default_value = "1000", value_parser = positive)]
    pub(crate) test_images: usize,

    /// Test images to draw: the first of each class, then the second of each, and so on
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) pictures: usize,

    /// Seed for all random draws: weights, positions, clutter, order
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,

    /// Folder for the report (index.html), the pictures, the network and run.json; created if missing
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-out")]
    pub(crate) out: PathBuf,
}
