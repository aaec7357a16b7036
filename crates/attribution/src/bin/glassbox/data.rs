//! What a network is trained on.

use std::borrow::Cow;

use nn::data::{DataError, Idx, LabelledImages, Scatter, Scattered, fashion_mnist};

use crate::Failure;
use crate::cli::{Embedded, TrainArgs};

/// Images to train on, epoch by epoch.
pub(crate) enum TrainingSet {
    /// The same in each.
    Fixed(LabelledImages),
    /// At other places, among other clutter in each.
    Scattered {
        /// The objects.
        source: LabelledImages,
        /// Epoch `e` is scattered with `seed + 1 + e`.
        seed: u64,
    },
}

impl TrainingSet {
    /// The images of an epoch.
    pub(crate) fn epoch(&self, epoch: usize) -> Result<Cow<'_, LabelledImages>, DataError> {
        match self {
            Self::Fixed(images) => Ok(Cow::Borrowed(images)),
            Self::Scattered { source, seed } => {
                let seed = seed.wrapping_add(1 + epoch as u64);
                Ok(Cow::Owned(Scatter { seed, ..Scatter::default() }.scatter(source)?.images))
            }
        }
    }
}

/// The first `count` images, or all if there are fewer.
pub(crate) fn first(images: &LabelledImages, count: usize) -> LabelledImages {
    images.subset(&(0..count.min(images.len())).collect::<Vec<_>>())
}

/// Test images, scattered with `seed` itself, which no epoch of the training uses.
pub(crate) fn scattered_test(count: usize, seed: u64) -> Result<Scattered, DataError> {
    Scatter { seed, ..Scatter::default() }.scatter(&first(fashion_mnist::test(), count))
}

/// What `glassbox train` was asked to train on, and to test with.
pub(crate) fn open(args: &TrainArgs) -> Result<(TrainingSet, Option<LabelledImages>), Failure> {
    if let (Some(images), Some(labels)) = (&args.images, &args.labels) {
        let (images, labels) = (Idx::open(images)?, Idx::open(labels)?);
        let names = args.class_names.clone().unwrap_or_else(|| numbers(&labels));
        let training = LabelledImages::from_idx(images, labels, names.clone())?;
        let test = match (&args.test_images, &args.test_labels) {
            (Some(images), Some(labels)) => Some(LabelledImages::open_idx(images, labels, names)?),
            _ => None,
        };
        return Ok((TrainingSet::Fixed(training), test));
    }
    let (training, test) = (fashion_mnist::train().clone(), fashion_mnist::test().clone());
    Ok(match args.data {
        Embedded::FashionMnist => (TrainingSet::Fixed(training), Some(test)),
        Embedded::Scattered => {
            let test = scattered_test(test.len(), args.seed)?.images;
            (TrainingSet::Scattered { source: training, seed: args.seed }, Some(test))
        }
    })
}

/// As many classes as the labels need, named by their numbers.
fn numbers(labels: &Idx) -> Vec<String> {
    let classes = labels.bytes().iter().max().map_or(0, |&most| usize::from(most) + 1);
    (0..classes).map(|class| class.to_string()).collect()
}
