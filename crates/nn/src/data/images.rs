//! Labelled images in memory.

use std::path::Path;
use std::sync::Arc;

use super::{DataError, Idx, Normalization};

/// Labelled images in memory: pixels `[N, H, W, C]`, a label for each image, and a name for each class.
///
/// Cloning is cheap: clones share the pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledImages {
    pixels: Arc<[u8]>,
    shape: [usize; 4],
    labels: Arc<[usize]>,
    class_names: Arc<[String]>,
}

impl LabelledImages {
    /// Images with pixels `[N, H, W, C]` in row-major order and N labels.
    ///
    /// # Errors
    /// If H, W or C is zero, the number of pixel values or labels doesn't match the shape, or a label isn't below the number of
    /// class names.
    pub fn new(
        pixels: Vec<u8>,
        shape: [usize; 4],
        labels: Vec<usize>,
        class_names: Vec<String>,
    ) -> Result<Self, DataError> {
        Self::checked(["the pixels", "the labels"], pixels, shape, labels, class_names)
    }

    /// Reads two IDX files, plain or gzip: images `[N, H, W]` of one channel and labels `[N]`.
    ///
    /// # Errors
    /// If a file can't be read or isn't a valid IDX file, or as for [`from_idx`](Self::from_idx).
    pub fn open_idx(
        images: impl AsRef<Path>,
        labels: impl AsRef<Path>,
        class_names: Vec<String>,
    ) -> Result<Self, DataError> {
        Self::from_idx(Idx::open(images)?, Idx::open(labels)?, class_names)
    }

    /// Images from IDX images `[N, H, W]` of one channel and IDX labels `[N]`.
    ///
    /// # Errors
    /// If the two don't have these dimensions, N isn't the same, or a label isn't below the number of class names.
    pub fn from_idx(images: Idx, labels: Idx, class_names: Vec<String>) -> Result<Self, DataError> {
        let &[n, h, w] = images.shape() else {
            return Err(images.rank_error("images [N, H, W]"));
        };
        let &[_] = labels.shape() else {
            return Err(labels.rank_error("labels [N]"));
        };
        let values = labels.bytes().iter().map(|&label| usize::from(label)).collect();
        let files = [images.name().to_owned(), labels.name().to_owned()];
        Self::checked(files.each_ref().map(String::as_str), images.into_bytes(), [n, h, w, 1], values, class_names)
    }

    fn checked(
        [images_file, labels_file]: [&str; 2],
        pixels: Vec<u8>,
        shape: [usize; 4],
        labels: Vec<usize>,
        class_names: Vec<String>,
    ) -> Result<Self, DataError> {
        let size = shape.iter().try_fold(1usize, |size, &extent| size.checked_mul(extent));
        if size != Some(pixels.len()) || shape[1..].contains(&0) {
            return Err(DataError::Pixels { file: images_file.to_owned(), shape, found: pixels.len() });
        }
        if labels.len() != shape[0] {
            return Err(DataError::Counts {
                images_file: images_file.to_owned(),
                images: shape[0],
                labels_file: labels_file.to_owned(),
                labels: labels.len(),
            });
        }
        let classes = class_names.len();
        if let Some((index, &label)) = labels.iter().enumerate().find(|&(_, &label)| label >= classes) {
            return Err(DataError::Label { file: labels_file.to_owned(), index, label, classes });
        }
        Ok(Self { pixels: pixels.into(), shape, labels: labels.into(), class_names: class_names.into() })
    }

    /// Number of images, N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[N, H, W, C]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The pixels of all images, `[N, H, W, C]` in row-major order.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels of image `index`, `[H, W, C]` in row-major order.
    ///
    /// # Panics
    /// If `index` is out of range.
    #[must_use]
    pub fn image(&self, index: usize) -> &[u8] {
        assert!(index < self.len(), "image {index} of {}", self.len());
        let size = self.image_size();
        &self.pixels[index * size..][..size]
    }

    /// The class of every image.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The names of the classes, in the order of the labels.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// A copy of the images with these indices, in this order.
    ///
    /// # Panics
    /// If an index is out of range.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let [_, h, w, c] = self.shape;
        Self {
            pixels: indices.iter().flat_map(|&i| self.image(i)).copied().collect(),
            shape: [indices.len(), h, w, c],
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            class_names: Arc::clone(&self.class_names),
        }
    }

    /// The mean and the standard deviation of each channel over all images.
    #[must_use]
    pub fn statistics(&self) -> Normalization {
        Normalization::of(&self.pixels, self.shape[3])
    }

    /// Replaces the contents of `out` by the normalised images with these indices, `[indices.len(), H, W, C]`.
    ///
    /// # Panics
    /// If an index is out of range, or `normalization` has a different number of channels.
    pub fn gather(&self, indices: &[usize], normalization: &Normalization, out: &mut Vec<f32>) {
        let channels = normalization.channels();
        assert_eq!(channels, self.shape[3], "a normalization of {channels} channels for images {:?}", self.shape);
        out.clear();
        out.reserve(indices.len() * self.image_size());
        indices.iter().for_each(|&i| normalization.apply(self.image(i), out));
    }

    fn image_size(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    /// `count` images `[2, 3, 2]`; the values of image `i` count up from `12·i`.
    fn counting(count: usize) -> LabelledImages {
        let pixels = (0..count * 12).map(|value| value as u8).collect();
        let labels = (0..count).map(|i| i % 3).collect();
        LabelledImages::new(pixels, [count, 2, 3, 2], labels, names(3)).unwrap()
    }

    #[test]
    fn images_are_rows_of_the_array() {
        let set = counting(5);
        assert_eq!(set.image(2), (24..36).collect::<Vec<u8>>());
        assert_eq!(set.class_counts(), [2, 2, 1]);
        let subset = set.subset(&[4, 0, 4]);
        assert_eq!(subset.shape(), [3, 2, 3, 2]);
        assert_eq!(subset.labels(), [1, 0, 1]);
        for (new, old) in [4, 0, 4].into_iter().enumerate() {
            assert_eq!(subset.image(new), set.image(old));
        }
        assert!(set.subset(&[]).is_empty());
    }

    #[test]
    fn clones_share_their_pixels() {
        let set = counting(5);
        assert!(std::ptr::eq(set.pixels(), set.clone().pixels()));
    }

    #[test]
    #[should_panic(expected = "image 5 of 5")]
    fn an_index_out_of_range_panics() {
        let _ = counting(5).image(5);
    }

    #[test]
    fn mismatched_pixels_and_labels_are_refused() {
        let shape = [2, 2, 2, 1];
        let message = |pixels: usize, shape, labels: Vec<usize>| {
            LabelledImages::new(vec![0; pixels], shape, labels, names(3)).unwrap_err().to_string()
        };
        assert!(message(7, shape, vec![0, 1]).contains("[2, 2, 2, 1] with H, W, C ≥ 1, found 7"));
        assert!(message(0, [2, 0, 2, 1], vec![0, 1]).contains("found 0"));
        assert!(message(0, [1 << 40, 1 << 40, 1, 1], vec![]).contains("found 0"));
        assert!(message(8, shape, vec![0]).contains("found 2 images in the pixels and 1 labels in the labels"));
        assert!(message(8, shape, vec![0, 3]).contains("the number of classes, 3; found 3 at index 1"));
    }

    #[test]
    fn gathers_normalised_batches() {
        let (set, mut out) = (counting(5), vec![1.0; 99]);
        let normalization = Normalization::new(vec![0.5, 0.25], vec![0.5, 2.0]).unwrap();
        set.gather(&[3, 1], &normalization, &mut out);
        let expected: Vec<f32> = (set.image(3).iter().chain(set.image(1)))
            .enumerate()
            .map(|(k, &value)| {
                let (mean, std) = if k % 2 == 0 { (0.5, 0.5) } else { (0.25, 2.0) };
                (f32::from(value) / 255.0 - mean) / std
            })
            .collect();
        assert_eq!(out, expected);
    }
}
