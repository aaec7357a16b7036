//! What training and evaluation ask of data.

use super::{DataError, LabelledImages};

/// Labelled pictures of one size, each of which can be asked for by its place, in any order and from any thread.
///
/// A [`LabelledImages`] holds all of them in memory; a [`Loader`](super::Loader) makes normalised mini-batches of either.
pub trait Dataset: Sync {
    /// Number of images, N.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[H, W, C]` of every image, each at least 1.
    fn image_shape(&self) -> [usize; 3];

    /// The names of the classes, in the order of the labels.
    fn class_names(&self) -> &[String];

    /// The class of image `index`, below the number of names.
    ///
    /// # Panics
    /// Where there is no such image.
    fn label(&self, index: usize) -> usize;

    /// Writes image `index` into `pixels`, `[H, W, C]` in row-major order: the same bytes each time.
    ///
    /// # Errors
    /// Where the image can't be read (any more): the error names its file.
    ///
    /// # Panics
    /// Where there is no such image, or `pixels` has another length.
    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError>;
}

impl Dataset for LabelledImages {
    fn len(&self) -> usize {
        self.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        let [_, h, w, c] = self.shape();
        [h, w, c]
    }

    fn class_names(&self) -> &[String] {
        self.class_names()
    }

    fn label(&self, index: usize) -> usize {
        self.labels()[index]
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        pixels.copy_from_slice(self.image(index));
        Ok(())
    }
}
