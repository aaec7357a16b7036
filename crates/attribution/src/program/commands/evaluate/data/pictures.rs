//! Pictures from files, in the shape of the network's input.

use std::path::PathBuf;

use nn::Model;
use nn::data::{Photo, PhotoError};
use rayon::prelude::*;

use crate::program::terminal::progress::bar;
use crate::program::terminal::{Failure, complain};

/// Number of pictures that are decoded at the same time.
const AT_ONCE: usize = 64;

/// A picture's file and class.
pub(crate) struct Listed {
    pub(crate) path: PathBuf,
    /// The path within the folder, or as the list has it.
    pub(crate) name: PathBuf,
    pub(crate) label: usize,
}

/// Decoded pictures.
pub(crate) struct Pictures {
    /// Their indices among the listed ones.
    pub(crate) chosen: Vec<usize>,
    /// The network's inputs, `[N, H, W, C]`.
    pub(super) pixels: Vec<u8>,
    /// The height and width of each picture's file.
    pub(super) sizes: Vec<(usize, usize)>,
    /// The number of files that can't be read.
    pub(super) skipped: usize,
}

impl Pictures {
    /// Reads the chosen pictures of `source`. Files that can't be read are named, and skipped if `skip` says so.
    pub(super) fn read(
        source: &str,
        listed: &[Listed],
        chosen: Vec<usize>,
        model: &Model,
        skip: bool,
    ) -> Result<Self, Failure> {
        let ([height, width, channels], crop, count) = (model.input_shape(), model.info().crop, chosen.len());
        let read = |&index: &usize| -> Result<_, PhotoError> {
            let photo = Photo::open(&listed[index].path)?;
            let image = photo.fit(height, width, crop).with_channels(channels)?;
            Ok((index, (photo.height(), photo.width()), image.pixels().iter().copied().collect::<Vec<u8>>()))
        };
        let mut pictures = Self { chosen: Vec::new(), pixels: Vec::new(), sizes: Vec::new(), skipped: 0 };
        let mut unreadable = Vec::new();
        let bar = bar("reading pictures", count);
        for some in chosen.chunks(AT_ONCE) {
            for read in some.par_iter().map(read).collect::<Vec<_>>() {
                match read {
                    Ok((index, size, pixels)) => {
                        pictures.chosen.push(index);
                        pictures.sizes.push(size);
                        pictures.pixels.extend(pixels);
                    }
                    // Due to the network, not to the file.
                    Err(error @ PhotoError::Channels { .. }) => return Err(error.into()),
                    Err(error) => unreadable.push(error.to_string()),
                }
            }
            bar.inc(some.len() as u64);
        }
        bar.finish_and_clear();
        pictures.skipped = unreadable.len();
        match (&unreadable[..], skip) {
            ([], _) => {}
            (unreadable, true) if unreadable.len() < count => {
                unreadable.iter().for_each(|error| complain!("skipped: {error}"));
            }
            (unreadable, _) => {
                return Err(format!(
                    "{source}: {} of {count} files can't be read; have them skipped with --skip-unreadable: {}",
                    unreadable.len(),
                    unreadable.join("; ")
                )
                .into());
            }
        }
        Ok(pictures)
    }
}

/// The indices of the first `count` pictures, of each class in turn: the first of each class, then the second, and so on.
pub(super) fn in_turn(listed: &[Listed], count: usize) -> Vec<usize> {
    let mut turns: Vec<(usize, usize)> = Vec::with_capacity(listed.len());
    let mut seen = std::collections::HashMap::new();
    for (index, listed) in listed.iter().enumerate() {
        let turn = seen.entry(listed.label).or_insert(0);
        turns.push((*turn, index));
        *turn += 1;
    }
    turns.sort_unstable();
    turns.into_iter().take(count).map(|(_, index)| index).collect()
}
