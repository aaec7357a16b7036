//! Labelled images: reading, splitting, normalising, augmenting and batching them.
//!
//! Training and evaluation take any [`Dataset`]. [`LabelledImages`] holds its pixels in memory; they come from a pair of
//! [`Idx`] files (MNIST, the whole Fashion-MNIST), from the files of [`Cifar`], from the embedded [`fashion_mnist`], or from
//! the [`Scattered`] task, where the position of the object in each image is known. [`ImageFolder`] reads pictures of any
//! format and size from a folder for each class, from a CSV file ([`LabelTable`]) or beside [masks](Mask), and caches as many
//! as fit into its memory. [`Split`] divides a dataset,
//! and [`Loader`] makes mini-batches.

mod augment;
pub mod boxes;
mod cifar;
mod crop;
mod dataset;
mod error;
pub mod fashion_mnist;
mod folder;
mod idx;
mod images;
mod loader;
mod mask;
mod mask_files;
mod normalization;
mod part;
pub mod photo;
mod rect;
mod scattered;
mod split;
mod table;
mod table_error;
mod truth;
mod variety;

pub use augment::Augmentation;
pub use cifar::Cifar;
pub use crop::{Crop, Share};
pub use dataset::Dataset;
pub use error::DataError;
pub use folder::{FolderSettings, ImageFolder, Unreadable};
pub use idx::Idx;
pub use images::LabelledImages;
pub(crate) use loader::AHEAD;
pub use loader::{Batch, Loader};
pub use mask::{Mask, MaskError};
pub use normalization::{ChannelOrder, Normalization};
pub use photo::{MAX_PIXELS, Photo, PhotoError};
pub use rect::Rect;
pub use scattered::{Scatter, Scattered};
pub use split::{Parts, Split, Subset};
pub use table::{LabelTable, TableRow};
pub use table_error::{TableError, TableProblem};
pub use truth::{Targets, Truth};
pub use variety::check_variety;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Random stream number `stream` of a seed: the same values on every machine, in whatever order streams are used.
fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// The uses of random streams, except for the order of an epoch and the scattered task. Different uses of a seed have different
/// draws.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Split = 1,
    Augmentation = 2,
    Mixup = 3,
}

/// Random stream number `stream` of a purpose, a seed and an epoch.
fn keyed_stream(purpose: Purpose, seed: u64, epoch: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.as_chunks_mut().0.iter_mut().zip([purpose as u64, seed, epoch]) {
        *bytes = word.to_le_bytes();
    }
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}
