//! Labelled pictures: where they come from, and how a network is fed with them.
//!
//! A set is a [`LabelledImages`], whatever its source: an [`Idx`] pair of files (MNIST, the whole Fashion-MNIST), the
//! embedded [`fashion_mnist`], or the [`Scattered`] task, which also knows the place of the object in each picture.
//! Training takes any [`Dataset`], of which a [`Loader`] makes mini-batches.

mod crop;
mod dataset;
mod error;
pub mod fashion_mnist;
mod idx;
mod images;
mod loader;
mod normalization;
mod rect;
mod scattered;

pub use crop::{Crop, Share};
pub use dataset::Dataset;
pub use error::DataError;
pub use idx::Idx;
pub use images::LabelledImages;
pub use loader::{Batch, Loader};
pub use normalization::{ChannelOrder, Normalization};
pub use rect::Rect;
pub use scattered::{Scatter, Scattered};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Stream number `stream` of the generator of `seed`: the same values on every machine, in whatever order the streams
/// are used.
fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}
