//! Training, validation and test sets.

use std::fmt;

use rand::seq::SliceRandom;

use super::{DataError, Dataset, Purpose, Truth, keyed_stream};
use crate::model::Task;

/// A stratified split: the shares of a dataset for validation and test. The rest is for training.
///
/// The shares apply to each class, rounded to whole images; with a single label, to the images with and without it. Images with
/// several labels, values or masks are drawn together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// Share of the images for validation: to choose the best epoch and when to stop.
    pub validation: f64,
    /// Share of the images for the final test.
    pub test: f64,
    /// Seed of the random draw.
    pub seed: u64,
}

/// The indices of the images in each part, in ascending order. The parts are disjoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The training images.
    pub training: Vec<usize>,
    /// The validation images.
    pub validation: Vec<usize>,
    /// The test images.
    pub test: Vec<usize>,
}

impl Split {
    /// Divides a dataset. Class k is drawn with random stream k, so its draw doesn't depend on the other classes.
    ///
    /// # Errors
    /// If a share is negative or NaN, or their sum is 1 or more, or a truth can't be read.
    pub fn of(&self, dataset: &dyn Dataset) -> Result<Parts, DataError> {
        let Self { validation, test, seed } = *self;
        if !(validation >= 0.0 && test >= 0.0 && validation + test < 1.0) {
            return Err(DataError::Split { validation, test });
        }
        let mut by_class = vec![Vec::new(); dataset.class_names().len().max(2)];
        for index in 0..dataset.len() {
            by_class[stratum(dataset, index)?].push(index);
        }
        let mut parts = Parts { training: Vec::new(), validation: Vec::new(), test: Vec::new() };
        for (class, mut indices) in by_class.into_iter().enumerate() {
            indices.shuffle(&mut keyed_stream(Purpose::Split, seed, 0, class as u64));
            let until = |share: f64| (share * indices.len() as f64).round() as usize;
            let [first, second] = [until(test), until(test + validation)];
            parts.test.extend(&indices[..first]);
            parts.validation.extend(&indices[first..second]);
            parts.training.extend(&indices[second..]);
        }
        [&mut parts.training, &mut parts.validation, &mut parts.test].into_iter().for_each(|part| part.sort_unstable());
        Ok(parts)
    }
}

/// The images among which image `index` is drawn.
fn stratum(dataset: &dyn Dataset, index: usize) -> Result<usize, DataError> {
    if dataset.has_classes() {
        return Ok(dataset.label(index));
    }
    if dataset.task() == Task::Labels && dataset.class_names().len() == 1 {
        return Ok(match dataset.truth(index)? {
            Truth::Labels(row) if row[0] > 0.5 => 1,
            _ => 0,
        });
    }
    Ok(0)
}

/// A view of some images of a dataset, in any order.
#[derive(Clone)]
pub struct Subset<'a> {
    dataset: &'a dyn Dataset,
    indices: Vec<usize>,
}

impl fmt::Debug for Subset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subset").field("indices", &self.indices).finish_non_exhaustive()
    }
}

impl<'a> Subset<'a> {
    /// The images with these indices.
    ///
    /// # Panics
    /// If an index is out of range.
    #[must_use]
    pub fn new(dataset: &'a dyn Dataset, indices: Vec<usize>) -> Self {
        let count = dataset.len();
        assert!(indices.iter().all(|&index| index < count), "an index out of range in a subset of {count} images");
        Self { dataset, indices }
    }
}

impl Dataset for Subset<'_> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.dataset.image_shape()
    }

    fn task(&self) -> Task {
        self.dataset.task()
    }

    fn is_map(&self) -> bool {
        self.dataset.is_map()
    }

    fn class_names(&self) -> &[String] {
        self.dataset.class_names()
    }

    fn units(&self) -> &[String] {
        self.dataset.units()
    }

    fn label(&self, index: usize) -> usize {
        self.dataset.label(self.indices[index])
    }

    fn truth(&self, index: usize) -> Result<Truth<'_>, DataError> {
        self.dataset.truth(self.indices[index])
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        self.dataset.read(self.indices[index], pixels)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::LabelledImages;

    fn labelled(labels: Vec<usize>) -> LabelledImages {
        let pixels = (0..labels.len()).map(|index| index as u8).collect();
        let names = (0..4).map(|class| class.to_string()).collect();
        LabelledImages::new(pixels, [labels.len(), 1, 1, 1], labels, names).unwrap()
    }

    proptest! {
        #[test]
        fn every_class_gives_its_share_and_no_image_is_in_two_parts(
            labels in prop::collection::vec(0..4usize, 0..150),
            (validation, test) in (0.0..0.5, 0.0..0.49),
            seed: u64,
        ) {
            let set = labelled(labels);
            let split = Split { validation, test, seed };
            let parts = split.of(&set).unwrap();
            prop_assert_eq!(&parts, &split.of(&set).unwrap());
            let mut all = [parts.training.clone(), parts.validation.clone(), parts.test.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..set.len()).collect::<Vec<_>>());
            for (class, count) in set.class_counts().into_iter().enumerate() {
                for (part, share) in [(&parts.test, test), (&parts.validation, validation)] {
                    let found = part.iter().filter(|&&index| set.labels()[index] == class).count();
                    prop_assert!((found as f64 - share * count as f64).abs() <= 1.0);
                }
            }
        }
    }

    #[test]
    fn another_seed_draws_other_images() {
        let set = labelled([0, 1, 2, 3].repeat(20));
        let split = |seed| Split { validation: 0.25, test: 0.25, seed }.of(&set).unwrap();
        assert_ne!(split(0), split(1));
        assert_eq!(split(0).training.len(), 40);
    }

    #[test]
    fn shares_leave_something_to_train_on() {
        for (validation, test) in [(0.5, 0.5), (-0.1, 0.2), (f64::NAN, 0.1), (1.0, 0.0)] {
            let error = Split { validation, test, seed: 0 }.of(&labelled(vec![0])).unwrap_err().to_string();
            assert!(error.contains("less than 1 together"), "{error}");
        }
    }

    #[test]
    fn a_subset_reads_its_own_images() {
        let set = labelled(vec![0, 1, 2, 3]);
        let subset = Subset::new(&set, vec![2, 0, 2]);
        let mut pixel = [0];
        for (index, original) in [2, 0, 2].into_iter().enumerate() {
            subset.read(index, &mut pixel).unwrap();
            assert_eq!((pixel[0], subset.label(index)), (original as u8, original));
        }
    }
}
