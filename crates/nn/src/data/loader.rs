//! Mini-batches, made ahead of the step that needs them.

use std::sync::mpsc::sync_channel;
use std::thread;

use rand::seq::SliceRandom;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use tensor::Tensor;

use super::{DataError, Dataset, Normalization, stream};

/// Batches that wait for the step: with the one in the making, what a slow image may delay without the step noticing.
const AHEAD: usize = 2;

/// What one step is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Normalised images, `[N, H, W, C]`.
    pub images: Tensor<f32>,
    /// The class of each image.
    pub labels: Vec<usize>,
}

/// Makes mini-batches of a [`Dataset`]: in the order of the set, or shuffled.
///
/// A batch depends on the data, the seed, the epoch and its number alone, so an epoch can be taken up in its middle, and
/// any number of threads gives the same bits.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    dataset: &'a dyn Dataset,
    normalization: &'a Normalization,
    batch_size: usize,
    seed: Option<u64>,
}

impl<'a> Loader<'a> {
    /// Batches of `batch_size` images (the last may be smaller) in the order of the set.
    ///
    /// # Panics
    /// Where `batch_size` is zero, or `normalization` has another number of channels than the images.
    #[must_use]
    pub fn new(dataset: &'a dyn Dataset, normalization: &'a Normalization, batch_size: usize) -> Self {
        assert!(batch_size > 0, "mini-batches of no images");
        let (channels, shape) = (normalization.channels(), dataset.image_shape());
        assert_eq!(channels, shape[2], "a normalization of {channels} channels for images {shape:?}");
        Self { dataset, normalization, batch_size, seed: None }
    }

    /// In another order each epoch, which depends on `seed` and the epoch alone.
    #[must_use]
    pub fn shuffled(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Batches in an epoch.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.dataset.len().div_ceil(self.batch_size)
    }

    /// The places of all images in the order of this epoch; batch `b` holds those from `b · batch_size` on.
    #[must_use]
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        if let Some(seed) = self.seed {
            order.shuffle(&mut stream(seed, epoch));
        }
        order
    }

    /// One batch of the images at these places.
    ///
    /// # Errors
    /// Where an image can't be read.
    pub fn assemble(&self, places: &[usize]) -> Result<Batch, DataError> {
        let [h, w, c] = self.dataset.image_shape();
        let size = h * w * c;
        let mut values = vec![0.0; places.len() * size];
        values.par_chunks_exact_mut(size).zip(places).try_for_each_init(
            || vec![0; size],
            |pixels, (values, &index)| {
                self.dataset.read(index, pixels)?;
                values.iter_mut().zip(&*pixels).for_each(|(value, &pixel)| *value = f32::from(pixel));
                self.normalization.normalize(values);
                Ok(())
            },
        )?;
        let labels = places.iter().map(|&index| self.dataset.label(index)).collect();
        Ok(Batch { images: Tensor::new([places.len(), h, w, c], values), labels })
    }

    /// Hands the batches of an epoch, from number `first` on, to `body`. Other threads make the next ones meanwhile, up to
    /// three ahead; they stop when `body` returns. An error is the last that comes.
    ///
    /// ```
    /// # use nn::data::{DataError, Loader, fashion_mnist};
    /// let (garments, normalization) = (fashion_mnist::test(), fashion_mnist::test().statistics());
    /// let loader = Loader::new(garments, &normalization, 64).shuffled(7);
    /// let seen = loader.epoch(0, 2, |batches| batches.map(|batch| Ok(batch?.labels.len())).sum::<Result<usize, DataError>>())?;
    /// assert_eq!(seen, garments.len() - 2 * 64);
    /// # Ok::<(), DataError>(())
    /// ```
    pub fn epoch<R>(
        &self,
        epoch: u64,
        first: usize,
        body: impl FnOnce(&mut dyn Iterator<Item = Result<Batch, DataError>>) -> R,
    ) -> R {
        let order = self.order(epoch);
        // Threads of its own: a step that waits for a batch may occupy all those of the caller's pool.
        let pool = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build();
        let pool = pool.expect("the system starts threads");
        let (sender, receiver) = sync_channel(AHEAD);
        thread::scope(|scope| {
            scope.spawn(move || {
                for places in order.chunks(self.batch_size).skip(first) {
                    let batch = pool.install(|| self.assemble(places));
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            });
            body(&mut receiver.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::LabelledImages;

    /// `count` images `[2, 3, 2]`; image `i` counts up from `12·i`.
    fn counting(count: usize) -> LabelledImages {
        let pixels = (0..count * 12).map(|value| value as u8).collect();
        let labels = (0..count).map(|i| i % 3).collect();
        LabelledImages::new(pixels, [count, 2, 3, 2], labels, ["a", "b", "c"].map(String::from).into()).unwrap()
    }

    fn halves() -> Normalization {
        Normalization::new(vec![0.5, 0.25], vec![0.5, 2.0]).unwrap()
    }

    /// The images of a set but for one, which has vanished.
    struct Vanished(LabelledImages, usize);

    impl Dataset for Vanished {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn image_shape(&self) -> [usize; 3] {
            self.0.image_shape()
        }

        fn class_names(&self) -> &[String] {
            self.0.class_names()
        }

        fn label(&self, index: usize) -> usize {
            self.0.label(index)
        }

        fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
            if index == self.1 { Err(DataError::Scale(0.0)) } else { self.0.read(index, pixels) }
        }
    }

    proptest! {
        #[test]
        fn an_epoch_sees_every_image_once(count in 0..60usize, size in 1..20usize, seed: u64, epoch in 0..3u64) {
            let (set, normalization) = (counting(count), halves());
            let loader = Loader::new(&set, &normalization, size).shuffled(seed);
            let batches = loader.epoch(epoch, 0, |batches| batches.collect::<Result<Vec<_>, _>>()).unwrap();
            prop_assert_eq!(batches.len(), loader.batches());
            prop_assert!(batches.iter().rev().skip(1).all(|batch| batch.labels.len() == size));
            let order = loader.order(epoch);
            for (batch, places) in batches.iter().zip(order.chunks(size)) {
                let mut expected = Vec::new();
                set.gather(places, &normalization, &mut expected);
                prop_assert_eq!(batch.images.as_slice(), &expected[..]);
                prop_assert!(batch.labels.iter().copied().eq(places.iter().map(|&place| place % 3)));
            }
            // Taken up in the middle, it goes on as if it had never been left.
            let first = batches.len() / 2;
            let rest = loader.epoch(epoch, first, |batches| batches.collect::<Result<Vec<_>, _>>()).unwrap();
            prop_assert_eq!(&rest, &batches[first..]);
            let mut seen = order;
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    /// The order is part of what a seed means: it must not change with a platform or a dependency's version.
    #[test]
    fn the_order_is_pinned() {
        let (set, normalization) = (counting(12), halves());
        let loader = Loader::new(&set, &normalization, 5);
        assert_eq!(loader.order(3), (0..12).collect::<Vec<_>>());
        let order = |seed, epoch| loader.shuffled(seed).order(epoch);
        assert_eq!(order(7, 0), [0, 11, 5, 2, 9, 1, 6, 10, 3, 4, 8, 7]);
        assert_ne!(order(7, 0), order(7, 1));
        assert_ne!(order(7, 0), order(8, 0));
    }

    #[test]
    fn an_image_that_vanishes_ends_the_epoch_with_its_error() {
        let (set, normalization) = (Vanished(counting(40), 17), halves());
        let loader = Loader::new(&set, &normalization, 5);
        let found: Vec<_> = loader.epoch(0, 0, |batches| batches.map(|batch| batch.is_ok()).collect());
        assert_eq!(found, [true, true, true, false]);
        // Whoever leaves early doesn't wait for what is never asked for.
        assert!(loader.epoch(0, 0, |batches| batches.next().unwrap()).is_ok());
    }

    #[test]
    fn a_pool_of_one_waits_for_no_batch_in_vain() {
        let (set, normalization) = (counting(40), halves());
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let seen = pool.install(|| Loader::new(&set, &normalization, 3).epoch(0, 0, |batches| batches.count()));
        assert_eq!(seen, 14);
    }
}
