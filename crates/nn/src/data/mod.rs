//! Labelled pictures: where they come from, and how a network is fed with them.
//!
//! A [`LabelledImages`] holds its pixels in memory, whatever their source: an [`Idx`] pair of files (MNIST, the whole
//! Fashion-MNIST), the files of [`Cifar`], the embedded [`fashion_mnist`], or the [`Scattered`] task, which also knows the
//! place of the object in each picture. An [`ImageFolder`] reads pictures of any format and size, a folder a class, and
//! keeps as many as its memory holds. Training takes either, as a [`Dataset`]: a [`Split`] keeps a part from it, a
//! [`Loader`] makes mini-batches.

mod augment;
mod cifar;
mod crop;
mod dataset;
mod error;
pub mod fashion_mnist;
mod folder;
mod idx;
mod images;
mod loader;
mod normalization;
pub mod photo;
mod rect;
mod scattered;
mod split;

pub use augment::Augmentation;
pub use cifar::Cifar;
pub use crop::{Crop, Share};
pub use dataset::Dataset;
pub use error::DataError;
pub use folder::{FolderSettings, ImageFolder, Unreadable};
pub use idx::Idx;
pub use images::LabelledImages;
pub use loader::{Batch, Loader};
pub use normalization::{ChannelOrder, Normalization};
pub use photo::{Photo, PhotoError};
pub use rect::Rect;
pub use scattered::{Scatter, Scattered};
pub use split::{Parts, Split, Subset};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Stream number `stream` of the generator of `seed`: the same values on every machine, in whatever order the streams
/// are used.
fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// What a random stream is used for besides the order of an epoch and the scattered task, so that no two uses of one seed
/// share their draws.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Split = 1,
    Augmentation = 2,
    Mixup = 3,
}

/// Stream number `stream` of the generator of a purpose, a seed and an epoch.
fn keyed_stream(purpose: Purpose, seed: u64, epoch: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.as_chunks_mut().0.iter_mut().zip([purpose as u64, seed, epoch]) {
        *bytes = word.to_le_bytes();
    }
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}
