use proptest::prelude::*;

use super::*;
use crate::data::LabelledImages;

impl Batch {
    fn soft(&self) -> Tensor<f32> {
        match &self.targets {
            Targets::Classes { soft, .. } => soft.clone().unwrap(),
            _ => unreachable!(),
        }
    }
}

/// `count` images `[2, 3, 2]`; the values of image `i` count up from `12·i`.
fn counting(count: usize) -> LabelledImages {
    let pixels = (0..count * 12).map(|value| value as u8).collect();
    let labels = (0..count).map(|i| i % 3).collect();
    LabelledImages::new(pixels, [count, 2, 3, 2], labels, ["a", "b", "c"].map(String::from).into()).unwrap()
}

fn halves() -> Normalization {
    Normalization::new(vec![0.5, 0.25], vec![0.5, 2.0]).unwrap()
}

/// A dataset whose image of this index can't be read.
struct Unreadable(LabelledImages, usize);

impl Dataset for Unreadable {
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

#[test]
fn batches_on_demand_are_those_of_other_threads() {
    let (set, normalization) = (counting(23), halves());
    let loader = Loader::new(&set, &normalization, 4).shuffled(9);
    let (order, places) = (loader.order(1), |from: usize| from..(from + 4).min(23));
    let demanded: Vec<Batch> =
        loader.on_demand(1, &order, (8..23).step_by(4).map(places).collect()).map(Result::unwrap).collect();
    assert_eq!(demanded, loader.epoch(1, 2, |batches| batches.map(Result::unwrap).collect::<Vec<_>>()));
    let set = Unreadable(counting(23), order[9]);
    let loader = Loader::new(&set, &normalization, 4);
    let mut demanded = loader.on_demand(1, &order, (0..23).step_by(4).map(places).collect());
    assert!(demanded.by_ref().take(2).all(|batch| batch.is_ok()));
    assert!(demanded.next().is_some_and(|batch| batch.is_err()));
    assert!(demanded.next().is_none());
}

proptest! {
    #[test]
    fn an_epoch_sees_every_image_once(count in 0..60usize, size in 1..20usize, seed: u64, epoch in 0..3u64) {
        let (set, normalization) = (counting(count), halves());
        let loader = Loader::new(&set, &normalization, size).shuffled(seed);
        let batches = loader.epoch(epoch, 0, |batches| batches.collect::<Result<Vec<_>, _>>()).unwrap();
        prop_assert_eq!(batches.len(), loader.batches());
        prop_assert!(batches.iter().rev().skip(1).all(|batch| batch.labels().len() == size));
        let order = loader.order(epoch);
        for (batch, indices) in batches.iter().zip(order.chunks(size)) {
            let mut expected = Vec::new();
            set.gather(indices, &normalization, &mut expected);
            prop_assert_eq!(batch.images.as_slice(), &expected[..]);
            prop_assert!(batch.labels().iter().copied().eq(indices.iter().map(|&index| index % 3)));
        }
        // From its middle on, an epoch has the same batches.
        let first = batches.len() / 2;
        let rest = loader.epoch(epoch, first, |batches| batches.collect::<Result<Vec<_>, _>>()).unwrap();
        prop_assert_eq!(&rest, &batches[first..]);
        let mut seen = order;
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}

/// The order for a seed must not change with the platform or the version of a dependency.
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
fn an_unreadable_image_ends_the_epoch_with_its_error() {
    let (set, normalization) = (Unreadable(counting(40), 17), halves());
    let loader = Loader::new(&set, &normalization, 5);
    let found: Vec<_> = loader.epoch(0, 0, |batches| batches.map(|batch| batch.is_ok()).collect());
    assert_eq!(found, [true, true, true, false]);
    // A body that returns early doesn't wait for the other batches.
    assert!(loader.epoch(0, 0, |batches| batches.next().unwrap()).is_ok());
}

fn augmentation() -> Augmentation {
    Augmentation { flip: true, shift: 1, rotation: 20.0, brightness: 0.3, mixup: 0.4, ..Augmentation::default() }
}

/// Neither the number of threads nor the other images of the batch matter, except for the one that it is mixed with.
#[test]
fn an_augmented_image_depends_only_on_seed_epoch_and_index() {
    let (set, normalization) = (counting(40), halves());
    let (mixed, plain) = (augmentation(), Augmentation { mixup: 0.0, ..augmentation() });
    let loader = Loader::new(&set, &normalization, 8).shuffled(3);
    let epoch = |augmentation, seed, epoch, threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let loader = loader.augmented(augmentation, seed).unwrap();
        pool.install(|| loader.epoch(epoch, 0, |batches| batches.collect::<Result<Vec<_>, _>>()).unwrap())
    };
    assert_eq!(epoch(&mixed, 5, 1, 1), epoch(&mixed, 5, 1, 3));
    assert_ne!(epoch(&mixed, 5, 1, 1), epoch(&mixed, 6, 1, 1));
    let plain = loader.augmented(&plain, 5).unwrap();
    let images = |epoch, indices: &[usize]| plain.assemble(epoch, indices).unwrap().images;
    assert_eq!(images(2, &[7, 9, 1]).as_slice()[12..24], *images(2, &[9]).as_slice());
    assert_ne!(images(2, &[9]), images(3, &[9]));
}

/// The images and targets of a batch follow the definition of mixup.
#[test]
fn mixed_and_weighted_batches_follow_their_definition() {
    let (set, normalization, mixup) = (counting(9), halves(), Augmentation { mixup: 0.7, ..Augmentation::default() });
    let weights = [0.5, 1.0, 2.0];
    let plain = Loader::new(&set, &normalization, 4);
    let loader = plain.augmented(&mixup, 1).unwrap();
    let indices = [5, 0, 7, 1];
    let (unmixed, mixed) = (plain.assemble(0, &indices).unwrap(), loader.assemble(0, &indices).unwrap());
    let weighted = loader.weighted(&weights).assemble(0, &indices).unwrap().soft();
    let targets = mixed.soft();
    let (before, after) = (&unmixed.images, &mixed.images);
    for n in 0..4 {
        let next = (n + 1) % 4;
        let (own, other) = (unmixed.labels()[n], unmixed.labels()[next]);
        let target = &targets.as_slice()[3 * n..][..3];
        let share = if own == other { f32::NAN } else { target[own] };
        approx::assert_abs_diff_eq!(target.iter().sum::<f32>(), 1.0, epsilon = 1e-6);
        for k in 0..3 {
            assert_eq!(weighted.as_slice()[3 * n + k], target[k] * weights[k] as f32);
        }
        if own != other {
            assert_eq!(mixed.labels()[n], if share < 0.5 { other } else { own });
            for k in 0..12 {
                let [a, b] = [n, next].map(|n| before.as_slice()[12 * n + k]);
                approx::assert_abs_diff_eq!(
                    after.as_slice()[12 * n + k],
                    share * a + (1.0 - share) * b,
                    epsilon = 1e-5
                );
            }
        }
    }
    assert_eq!(
        plain.weighted(&weights).assemble(0, &[1, 2]).unwrap().soft().as_slice(),
        [0.0, 1.0, 0.0, 0.0, 0.0, 2.0]
    );
    assert!(matches!(unmixed.targets, Targets::Classes { soft: None, .. }));
}

#[test]
fn a_pool_of_one_thread_does_not_deadlock() {
    let (set, normalization) = (counting(40), halves());
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let seen = pool.install(|| Loader::new(&set, &normalization, 3).epoch(0, 0, |batches| batches.count()));
    assert_eq!(seen, 14);
}
