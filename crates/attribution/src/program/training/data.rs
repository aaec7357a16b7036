//! The images for a training.

use std::path::Path;

use clap::ValueEnum;
use nn::data::{
    Cifar, DataError, Dataset, FolderSettings, Idx, ImageFolder, LabelTable, LabelledImages, Parts, Scatter, Scattered,
    Split, Subset, check_variety, fashion_mnist,
};

use nn::{Model, Task};

use crate::program::terminal::{Failure, complain, progress};
use crate::program::training::config::{Config, Source};

/// Embedded images, by their names on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Embedded {
    /// Garments, unchanged: 28×28, grey
    FashionMnist,
    /// One garment at a random position on 48×48 pixels, among crops of others
    Scattered,
}

/// The training images of each epoch.
pub(crate) enum TrainingSet<'a> {
    /// The same images in every epoch.
    Fixed(Box<dyn Dataset + 'a>),
    /// New positions and new clutter in each epoch.
    Scattered {
        /// The objects.
        source: LabelledImages,
        /// Epoch `e` uses the seed `seed + 1 + e`.
        seed: u64,
    },
}

impl TrainingSet<'_> {
    /// The images of an epoch.
    pub(crate) fn epoch(&self, epoch: usize) -> Result<Box<dyn Dataset + '_>, DataError> {
        match self {
            Self::Fixed(images) => Ok(Box::new(&**images)),
            Self::Scattered { source, seed } => {
                let seed = seed.wrapping_add(1 + epoch as u64);
                Ok(Box::new(Scatter { seed, ..Scatter::default() }.scatter(source)?.images))
            }
        }
    }
}

/// The opened data of a training.
pub(crate) struct Opened {
    images: Box<dyn Dataset>,
    /// A separate test set, if there is one.
    test: Option<Box<dyn Dataset>>,
    /// The images of each part, if the folder or the table is divided.
    parts: Option<Parts>,
}

/// The sets for training, validation and test.
pub(crate) struct Sets<'a> {
    pub(crate) training: TrainingSet<'a>,
    pub(crate) validation: Option<Box<dyn Dataset + 'a>>,
    pub(crate) test: Option<Box<dyn Dataset + 'a>>,
}

impl<'a> Sets<'a> {
    /// The images that choose the best epoch: the validation set, or the test set if there is none.
    pub(crate) fn chosen_by(&self) -> Option<&(dyn Dataset + 'a)> {
        self.validation.as_deref().or(self.test.as_deref())
    }
}

/// The first `count` images, or all if there are fewer.
pub(crate) fn first(images: &LabelledImages, count: usize) -> LabelledImages {
    images.subset(&(0..count.min(images.len())).collect::<Vec<_>>())
}

/// Scattered test images. They use `seed` itself, which no epoch of the training uses.
pub(crate) fn scattered_test(count: usize, seed: u64) -> Result<Scattered, DataError> {
    Scatter { seed, ..Scatter::default() }.scatter(&first(fashion_mnist::test(), count))
}

/// Opens the data of a training. Pictures are resized to the input of the network `start`, if there is one.
pub(crate) fn open(config: &Config, start: Option<&Model>) -> Result<Opened, Failure> {
    let data = &config.data;
    let of = |images: LabelledImages, test: Option<LabelledImages>| {
        let test = test.map(|test| Box::new(test) as Box<dyn Dataset>);
        Ok(Opened { images: Box::new(images), test, parts: None })
    };
    let cifar = |cifar: Cifar| {
        let [images, test] = cifar.open(&data.folder)?;
        of(images, Some(test))
    };
    match data.source() {
        Source::FashionMnist => of(fashion_mnist::train().clone(), Some(fashion_mnist::test().clone())),
        Source::Scattered => {
            let test = scattered_test(fashion_mnist::test().len(), config.training.seed)?.images;
            of(fashion_mnist::train().clone(), Some(test))
        }
        Source::Idx => {
            let (images, labels) = (Idx::open(&data.images)?, Idx::open(&data.labels)?);
            let names = if data.class_names.is_empty() { numbers(&labels) } else { data.class_names.clone() };
            let tested = !data.test_images.as_os_str().is_empty();
            let test = tested.then(|| LabelledImages::open_idx(&data.test_images, &data.test_labels, names.clone()));
            of(LabelledImages::from_idx(images, labels, names)?, test.transpose()?)
        }
        Source::Cifar10 => cifar(Cifar::Ten),
        Source::Cifar100 => cifar(Cifar::Hundred),
        Source::Folder | Source::Csv => pictures(config, start),
        Source::Auto => unreachable!("it stands for one of the others"),
    }
}

/// Opens pictures from files.
fn pictures(config: &Config, start: Option<&Model>) -> Result<Opened, Failure> {
    let data = &config.data;
    let memory = data.memory_mb.saturating_mul(1 << 20);
    let own = |start: &Model| (start.input_shape(), start.info().crop);
    let (shape, crop) = start.map_or((data.shape, config.crop()?), own);
    let settings = FolderSettings { shape, crop, unreadable: data.unreadable, memory };
    let bar = progress::bar("reading pictures", 0);
    let watch = |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let given = |path: &Path| !path.as_os_str().is_empty();
    let (images, test) = match data.source() {
        Source::Csv => {
            let table = LabelTable::open(&data.csv, data.task()?)?;
            let test = given(&data.test_csv).then(|| LabelTable::open_for(&data.test_csv, table.task(), table.names()));
            let test = test.transpose()?;
            let images = ImageFolder::open_table(&table, settings, watch)?;
            let test = test.map(|test| images.open_another_table(&test, watch)).transpose()?;
            (images, test)
        }
        _ if given(&data.masks) => {
            (ImageFolder::open_masks(&data.folder, &data.masks, &data.class_names, settings, watch)?, None)
        }
        _ => {
            let images = ImageFolder::open(&data.folder, settings, watch)?;
            let test = given(&data.test_folder).then(|| images.open_another(&data.test_folder, watch)).transpose()?;
            (images, test)
        }
    };
    bar.finish_and_clear();
    let skipped = test.iter().chain([&images]).flat_map(ImageFolder::skipped);
    skipped.for_each(|error| complain!("skipped: {error}"));
    let parts = images.parts().cloned();
    if parts.is_some() && (test.is_some() || data.validation > 0.0 || data.test > 0.0) {
        return Err(
            "the pictures are already divided into parts: leave out data.validation, data.test and another test set"
                .into(),
        );
    }
    let test = test.map(|test| Box::new(test) as Box<dyn Dataset>);
    Ok(Opened { images: Box::new(images), test, parts })
}

impl Opened {
    /// Whether the data itself says which images are for training and which for the test.
    pub(crate) fn is_divided(&self) -> bool {
        self.parts.is_some() || self.test.is_some()
    }

    /// The task that the truths of the images are for.
    pub(crate) fn task(&self) -> Task {
        self.images.task()
    }

    /// Whether each pixel has a class.
    pub(crate) fn is_map(&self) -> bool {
        self.images.is_map()
    }

    /// Splits the data as it says itself, or as configured.
    pub(crate) fn sets(&self, config: &Config) -> Result<Sets<'_>, Failure> {
        let sets = self.split(config)?;
        check_variety(&*sets.training.epoch(0)?)?;
        Ok(sets)
    }

    fn split(&self, config: &Config) -> Result<Sets<'_>, Failure> {
        let Split { validation, test, .. } = config.split();
        let own_test = self.test.as_ref().map(|test| Box::new(&**test) as Box<dyn Dataset + '_>);
        if config.data.source() == Source::Scattered {
            let source = fashion_mnist::train().clone();
            let training = TrainingSet::Scattered { source, seed: config.training.seed };
            return Ok(Sets { training, validation: None, test: own_test });
        }
        if validation == 0.0 && test == 0.0 && self.parts.is_none() {
            return Ok(Sets {
                training: TrainingSet::Fixed(Box::new(&*self.images)),
                validation: None,
                test: own_test,
            });
        }
        let parts = match &self.parts {
            Some(parts) => parts.clone(),
            None => config.split().of(&*self.images)?,
        };
        if parts.training.is_empty() {
            return Err("no image is left to train on: all are for the validation and the test".into());
        }
        let part = |indices: Vec<usize>| Box::new(Subset::new(&*self.images, indices)) as Box<dyn Dataset + '_>;
        let some = |indices: Vec<usize>| (!indices.is_empty()).then(|| part(indices));
        let test = own_test.or(some(parts.test));
        Ok(Sets { training: TrainingSet::Fixed(part(parts.training)), validation: some(parts.validation), test })
    }
}

/// Class names for numeric labels: the numbers.
fn numbers(labels: &Idx) -> Vec<String> {
    let classes = labels.bytes().iter().max().map_or(0, |&most| usize::from(most) + 1);
    (0..classes).map(|class| class.to_string()).collect()
}
