//! Mini-batches, prepared in the background.

use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::{fmt, thread};

use rand::seq::SliceRandom;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use tensor::Tensor;

use super::augment::{mix, mixing_share};
use super::{Augmentation, DataError, Dataset, Normalization, Purpose, Targets, Truth, keyed_stream, stream};
use crate::model::Task;

/// Number of finished batches that wait to be used; one more is being made.
pub(crate) const AHEAD: usize = 2;

/// A mini-batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Normalised images, `[N, H, W, C]`.
    pub images: Tensor<f32>,
    /// What is true of each image.
    pub targets: Targets,
}

impl Batch {
    /// The class of each image; of a mixed image, the class with the larger share.
    ///
    /// # Panics
    /// If the images have no classes.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        match &self.targets {
            Targets::Classes { labels, .. } => labels,
            _ => panic!("the images of the batch have no classes"),
        }
    }
}

/// Makes mini-batches of a [`Dataset`], shuffled or not.
///
/// A batch depends only on the data, the seeds, the epoch and its index. So an epoch can be resumed at any batch, and the bits
/// are the same on any number of threads.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    dataset: &'a dyn Dataset,
    normalization: &'a Normalization,
    batch_size: usize,
    seed: Option<u64>,
    augmentation: Option<(&'a Augmentation, u64)>,
    class_weights: Option<&'a [f64]>,
    without: Option<&'a (dyn Fn(usize) -> bool + Sync)>,
}

impl fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Loader");
        shown.field("images", &self.dataset.len()).field("normalization", self.normalization);
        shown.field("batch_size", &self.batch_size).field("seed", &self.seed);
        shown.field("augmentation", &self.augmentation).finish_non_exhaustive()
    }
}

impl<'a> Loader<'a> {
    /// A loader of batches of `batch_size` images in the order of the dataset. The last batch may be smaller.
    ///
    /// # Panics
    /// If `batch_size` is zero, or the numbers of channels of `normalization` and the images differ.
    #[must_use]
    pub fn new(dataset: &'a dyn Dataset, normalization: &'a Normalization, batch_size: usize) -> Self {
        assert!(batch_size > 0, "mini-batches of no images");
        let (channels, shape) = (normalization.channels(), dataset.image_shape());
        assert_eq!(channels, shape[2], "a normalization of {channels} channels for images {shape:?}");
        Self { dataset, normalization, batch_size, seed: None, augmentation: None, class_weights: None, without: None }
    }

    /// Shuffles the images. The order depends only on `seed` and the epoch.
    #[must_use]
    pub fn shuffled(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Augments the images. The draws for an image depend only on `seed`, the epoch and the image's index. Mixup mixes each
    /// image of a batch, and its labels or values, with the next one. Masks are moved like their images; pixels from outside
    /// the image are of class 0.
    ///
    /// # Errors
    /// If a setting of the augmentation is outside its range for these images, or masks were to be mixed.
    pub fn augmented(self, augmentation: &'a Augmentation, seed: u64) -> Result<Self, DataError> {
        augmentation.check(self.dataset.image_shape())?;
        if augmentation.mixup > 0.0 && self.dataset.is_map() {
            return Err(DataError::MixedMasks);
        }
        Ok(Self { augmentation: Some((augmentation, seed)), ..self })
    }

    /// Multiplies the loss of each image by the weight of its class. [`Dataset::class_weights`] makes all classes count equally.
    ///
    /// # Panics
    /// If the number of weights isn't the number of classes, or the images have no classes.
    #[must_use]
    pub fn weighted(self, class_weights: &'a [f64]) -> Self {
        let (weights, classes) = (class_weights.len(), self.dataset.class_names().len());
        assert_eq!(weights, classes, "{weights} weights for {classes} classes");
        assert!(self.dataset.has_classes(), "class weights for images without classes");
        Self { class_weights: Some(class_weights), ..self }
    }

    /// Skips the images for whose index `skip` is true: batches have their labels, but not the images.
    pub(crate) fn without(self, skip: &'a (dyn Fn(usize) -> bool + Sync)) -> Self {
        Self { without: Some(skip), ..self }
    }

    /// The number of batches in an epoch.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.dataset.len().div_ceil(self.batch_size)
    }

    /// The indices of all images in the order of an epoch. Batch `b` consists of those from `b · batch_size` on.
    #[must_use]
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        if let Some(seed) = self.seed {
            order.shuffle(&mut stream(seed, epoch));
        }
        order
    }

    /// The batch of the images with these indices in an epoch.
    ///
    /// # Errors
    /// If an image can't be read.
    pub fn assemble(&self, epoch: u64, indices: &[usize]) -> Result<Batch, DataError> {
        let without = |index| self.without.is_some_and(|without| without(index));
        let read: Vec<usize> = indices.iter().copied().filter(|&index| !without(index)).collect();
        let mut images = self.normalized(epoch, &read)?;
        let shares = self.shares(epoch, indices);
        let targets = self.targets(epoch, indices, shares.as_deref())?;
        if let Some(shares) = shares {
            images = mixed(&images, &shares);
        }
        Ok(Batch { images, targets })
    }

    /// What is true of the images with these indices, mixed with `shares`.
    fn targets(&self, epoch: u64, indices: &[usize], shares: Option<&[f32]>) -> Result<Targets, DataError> {
        let task = self.dataset.task();
        if self.dataset.is_map() {
            return Ok(Targets::Map(self.masks(epoch, indices)?));
        }
        if task == Task::Classes {
            let labels: Vec<usize> = indices.iter().map(|&index| self.dataset.label(index)).collect();
            let soft = self.soft_targets(&labels, shares);
            let labels = shares.map_or(labels.clone(), |shares| mixed_labels(&labels, shares));
            return Ok(Targets::Classes { labels, soft });
        }
        let mut rows = Vec::new();
        for &index in indices {
            match self.dataset.truth(index)? {
                Truth::Labels(row) | Truth::Values(row) => rows.extend_from_slice(row),
                truth => panic!("a row of numbers is true of an image with {task}, found {truth:?}"),
            }
        }
        let rows = Tensor::new([indices.len(), self.dataset.class_names().len()], rows);
        let rows = shares.map_or(rows.clone(), |shares| mixed(&rows, shares));
        Ok(if task == Task::Labels { Targets::Labels(rows) } else { Targets::Values(rows) })
    }

    /// The classes of the pixels, moved as the augmentation moves the images.
    fn masks(&self, epoch: u64, indices: &[usize]) -> Result<Vec<usize>, DataError> {
        let [h, w, _] = self.dataset.image_shape();
        let mut classes = vec![0; indices.len() * h * w];
        classes.par_chunks_exact_mut(h * w).zip(indices).try_for_each(|(classes, &index)| {
            let Truth::Mask(mask) = self.dataset.truth(index)? else { panic!("a mask is true of an image of a map") };
            let mut mask: Vec<f32> = mask.iter().map(|&class| f32::from(class)).collect();
            if let Some((augmentation, seed)) = self.augmentation {
                let mut rng = keyed_stream(Purpose::Augmentation, seed, epoch, index as u64);
                augmentation.apply_to_mask(&mut rng, &mut mask, [h, w]);
            }
            classes.iter_mut().zip(mask).for_each(|(class, value)| *class = value as usize);
            Ok::<_, DataError>(())
        })?;
        Ok(classes)
    }

    /// The augmented and normalised images with these indices, `[N, H, W, C]`.
    fn normalized(&self, epoch: u64, indices: &[usize]) -> Result<Tensor<f32>, DataError> {
        let shape @ [h, w, c] = self.dataset.image_shape();
        let size = h * w * c;
        // The colour of cutout, whose normalised value is 0 up to rounding.
        let mean: Vec<f32> = self.normalization.undo(&vec![0.0; c]).into_iter().map(f32::from).collect();
        let mut images = Tensor::scratch([indices.len(), h, w, c]);
        images.make_mut().par_chunks_exact_mut(size).zip(indices).try_for_each_init(
            || (vec![0; size], Vec::new()),
            |(pixels, scratch), (values, &index)| {
                self.dataset.read(index, pixels)?;
                values.iter_mut().zip(&*pixels).for_each(|(value, &pixel)| *value = f32::from(pixel));
                if let Some((augmentation, seed)) = self.augmentation {
                    let mut rng = keyed_stream(Purpose::Augmentation, seed, epoch, index as u64);
                    augmentation.apply(&mut rng, values, shape, &mean, scratch);
                }
                self.normalization.normalize(values);
                Ok::<_, DataError>(())
            },
        )?;
        Ok(images)
    }

    /// λ for each image, if there is mixup: the image's share of its mixture with the next one.
    fn shares(&self, epoch: u64, indices: &[usize]) -> Option<Vec<f32>> {
        let (augmentation, seed) = self.augmentation.filter(|(augmentation, _)| augmentation.mixup > 0.0)?;
        let stream = |&index: &usize| keyed_stream(Purpose::Mixup, seed, epoch, index as u64);
        Some(indices.iter().map(|index| mixing_share(&mut stream(index), augmentation.mixup)).collect())
    }

    /// The weight of each class in the loss of each image, `[N, K]`: that of its label, and of the next image's if they are mixed.
    fn soft_targets(&self, labels: &[usize], shares: Option<&[f32]>) -> Option<Tensor<f32>> {
        if shares.is_none() && self.class_weights.is_none() {
            return None;
        }
        let classes = self.dataset.class_names().len();
        let mut targets = vec![0.0; labels.len() * classes];
        for (at, target) in targets.chunks_exact_mut(classes).enumerate() {
            let share = shares.map_or(1.0, |shares| shares[at]);
            for (label, share) in [(labels[at], share), (labels[(at + 1) % labels.len()], 1.0 - share)] {
                target[label] += share * self.class_weights.map_or(1.0, |weights| weights[label] as f32);
            }
        }
        Some(Tensor::new([labels.len(), classes], targets))
    }

    /// Calls `body` with an iterator over the batches of an epoch from index `first` on. Other threads make up to three batches
    /// in advance; they stop when `body` returns. The iterator ends after the first error.
    ///
    /// ```
    /// # use nn::data::{DataError, Loader, fashion_mnist};
    /// let (garments, normalization) = (fashion_mnist::test(), fashion_mnist::test().statistics());
    /// let loader = Loader::new(garments, &normalization, 64).shuffled(7);
    /// let seen = loader.epoch(0, 2, |batches| batches.map(|batch| Ok(batch?.labels().len())).sum::<Result<usize, DataError>>())?;
    /// assert_eq!(seen, garments.len() - 2 * 64);
    /// # Ok::<(), DataError>(())
    /// ```
    pub fn epoch<R>(
        &self,
        epoch: u64,
        first: usize,
        body: impl FnOnce(&mut dyn Iterator<Item = Result<Batch, DataError>>) -> R,
    ) -> R {
        let places = (first..self.batches()).map(|batch| batch * self.batch_size);
        let last = self.dataset.len();
        let places = places.map(|from| from..(from + self.batch_size).min(last)).collect();
        self.parts(epoch, places, AHEAD, body)
    }

    /// As [`epoch`](Self::epoch), but with one batch for each of these ranges of places in the epoch's [order](Self::order), of
    /// which up to `ahead` wait to be used.
    pub(crate) fn parts<R>(
        &self,
        epoch: u64,
        places: Vec<Range<usize>>,
        ahead: usize,
        body: impl FnOnce(&mut dyn Iterator<Item = Result<Batch, DataError>>) -> R,
    ) -> R {
        let order = self.order(epoch);
        // A separate pool: steps that wait for a batch may occupy all threads of the caller's.
        let Ok(pool) = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build() else {
            return body(&mut self.on_demand(epoch, &order, places));
        };
        let (sender, receiver) = sync_channel(ahead);
        thread::scope(|scope| {
            let make = move || {
                for places in places {
                    let batch = self.assemble(epoch, &order[places]);
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            };
            scope.spawn(move || pool.install(make));
            body(&mut receiver.into_iter())
        })
    }

    /// Batches that are made when they are asked for, up to the first error: where the system starts no threads, as in a browser.
    fn on_demand(
        &self,
        epoch: u64,
        order: &[usize],
        places: Vec<Range<usize>>,
    ) -> impl Iterator<Item = Result<Batch, DataError>> {
        let mut failed = false;
        places.into_iter().map_while(move |places| {
            let batch = (!failed).then(|| self.assemble(epoch, &order[places]))?;
            failed = batch.is_err();
            Some(batch)
        })
    }
}

/// Mixes each image or row of numbers with the next one.
fn mixed(values: &Tensor<f32>, shares: &[f32]) -> Tensor<f32> {
    let (count, mut mixture) = (shares.len(), values.clone());
    let (values, size) = (values.as_slice(), values.as_slice().len() / count);
    mixture.make_mut().par_chunks_exact_mut(size).enumerate().for_each(|(at, image)| {
        mix(image, &values[(at + 1) % count * size..][..size], shares[at]);
    });
    mixture
}

/// The label of the larger share of each mixture of an image with the next one.
fn mixed_labels(labels: &[usize], shares: &[f32]) -> Vec<usize> {
    let larger = |at: usize| labels[if shares[at] < 0.5 { (at + 1) % labels.len() } else { at }];
    (0..labels.len()).map(larger).collect()
}

#[cfg(test)]
mod tests;
