//! The command line of `glassbox demo`.

use std::path::PathBuf;

use clap::Parser;

use crate::terminal::values::positive;

/// Train, explain, score and draw: the whole chain on real images, in a minute or so
///
/// The task: each picture shows one garment of Fashion-MNIST at a random place, among crops of others. The network is told
/// only which garment it is, never where. CAM, Grad-CAM, guided backpropagation and guided Grad-CAM then say where it
/// looked, and since the garment's true box is known, each can be scored: the pointing game (does the strongest pixel lie
/// in the box?) and the box score (does a box drawn round the strong part overlap the true one by more than half?).
///
/// The same seed gives the same figures. Ctrl-C ends the step, saves the network so far, and says so.
#[derive(Debug, Parser)]
pub(crate) struct DemoArgs {
    /// Training epochs; the objects are placed at new random positions in each
    #[arg(long, value_name = "N", default_value = "8", value_parser = positive)]
    pub(crate) epochs: usize,

    /// Training images, at most 6000
    #[arg(long, value_name = "N", default_value = "6000", value_parser = positive)]
    pub(crate) images: usize,

    /// Test images to measure and score with, at most 1000
    #[arg(long, value_name = "N", default_value = "1000", value_parser = positive)]
    pub(crate) test_images: usize,

    /// Test images to draw: the first of each class, then the second of each, and so on
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) pictures: usize,

    /// Seed of everything random: weights, places, clutter, order
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,

    /// Folder for the report (index.html), the pictures, the network and run.json; made if missing
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-out")]
    pub(crate) out: PathBuf,
}
