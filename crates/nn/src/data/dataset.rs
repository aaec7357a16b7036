//! The trait of all datasets.

use rayon::prelude::*;

use super::normalization::ChannelSums;
use super::{DataError, LabelledImages, Normalization, Truth};
use crate::model::Task;

/// Labelled images of one shape with random access, from any thread.
///
/// What is true of an image is its [`Truth`]: a class, unless [`task`](Self::task) and [`is_map`](Self::is_map) say
/// otherwise.
///
/// The images of [`LabelledImages`] are in memory, those of [`ImageFolder`](super::ImageFolder) in files.
/// [`Loader`](super::Loader) makes normalised mini-batches.
pub trait Dataset: Sync {
    /// Number of images, N.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape `[H, W, C]` of every image; no extent is 0.
    fn image_shape(&self) -> [usize; 3];

    /// What a model of these images is to say of them.
    fn task(&self) -> Task {
        Task::Classes
    }

    /// Whether each pixel has a class, rather than the image.
    fn is_map(&self) -> bool {
        false
    }

    /// The names of the classes in the order of the labels, or those of the labels or values.
    fn class_names(&self) -> &[String];

    /// The units of the values; empty if they have none.
    fn units(&self) -> &[String] {
        &[]
    }

    /// The class of image `index`, less than the number of class names.
    ///
    /// # Panics
    /// If `index` is out of range, or images have no classes; see [`truth`](Self::truth).
    fn label(&self, index: usize) -> usize;

    /// What is true of image `index`.
    ///
    /// # Errors
    /// If it is a mask that can't be read; the error names its file.
    ///
    /// # Panics
    /// If `index` is out of range.
    fn truth(&self, index: usize) -> Result<Truth<'_>, DataError> {
        Ok(Truth::Class(self.label(index)))
    }

    /// Whether each image has one class.
    fn has_classes(&self) -> bool {
        self.task() == Task::Classes && !self.is_map()
    }

    /// Writes image `index` into `pixels`, `[H, W, C]` in row-major order. The bytes are the same each time.
    ///
    /// # Errors
    /// If the image can't be read; the error names its file.
    ///
    /// # Panics
    /// If `index` is out of range, or `pixels` isn't of length H·W·C.
    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError>;

    /// The number of images of each class.
    ///
    /// # Panics
    /// If images have no classes.
    fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.class_names().len()];
        (0..self.len()).for_each(|index| counts[self.label(index)] += 1);
        counts
    }

    /// Weights that make all classes count equally: N / (K·n) for a class of n images, where K is the number of classes that
    /// have images; 0 for classes without images. The mean weight of an image is 1.
    ///
    /// # Panics
    /// If images have no classes.
    fn class_weights(&self) -> Vec<f64> {
        let counts = self.class_counts();
        let present = counts.iter().filter(|&&count| count > 0).count();
        let balanced = |&count: &usize| match count {
            0 => 0.0,
            _ => self.len() as f64 / (present * count) as f64,
        };
        counts.iter().map(balanced).collect()
    }

    /// The mean and the standard deviation of each channel over all images. Images are read in parallel.
    ///
    /// # Errors
    /// If an image can't be read.
    fn statistics(&self) -> Result<Normalization, DataError> {
        let [h, w, c] = self.image_shape();
        let start = || (vec![0; h * w * c], ChannelSums::new(c));
        let add = |(mut pixels, mut sums): (Vec<u8>, ChannelSums), index| {
            self.read(index, &mut pixels)?;
            sums.add(&pixels);
            Ok::<_, DataError>((pixels, sums))
        };
        let parts = (0..self.len()).into_par_iter().try_fold(start, add).map(|part| part.map(|(_, sums)| sums));
        // The sums are integers, so their grouping doesn't matter.
        parts.try_reduce(|| ChannelSums::new(c), |a, b| Ok(a.merge(&b))).map(|sums| sums.normalization())
    }
}

impl<D: Dataset + ?Sized> Dataset for &D {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn image_shape(&self) -> [usize; 3] {
        (**self).image_shape()
    }

    fn task(&self) -> Task {
        (**self).task()
    }

    fn is_map(&self) -> bool {
        (**self).is_map()
    }

    fn class_names(&self) -> &[String] {
        (**self).class_names()
    }

    fn units(&self) -> &[String] {
        (**self).units()
    }

    fn label(&self, index: usize) -> usize {
        (**self).label(index)
    }

    fn truth(&self, index: usize) -> Result<Truth<'_>, DataError> {
        (**self).truth(index)
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        (**self).read(index, pixels)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fashion_mnist;

    #[test]
    fn statistics_are_those_of_all_pixels_at_once() {
        let garments: &dyn Dataset = fashion_mnist::test();
        assert_eq!(garments.statistics().unwrap(), fashion_mnist::test().statistics());
    }

    #[test]
    fn weighted_classes_count_equally() {
        let names = ["a", "b", "c"].map(String::from).to_vec();
        let set = LabelledImages::new(vec![0; 6], [6, 1, 1, 1], vec![0, 2, 0, 0, 2, 0], names).unwrap();
        let weights = set.class_weights();
        assert_eq!(weights, [6.0 / 8.0, 0.0, 6.0 / 4.0]);
        let total: f64 = set.labels().iter().map(|&label| weights[label]).sum();
        assert_eq!(total, 6.0);
    }
}
