//! The images of an evaluation, and where their objects are.

mod files;
mod masks;
mod matching;
mod pictures;
mod places;

use std::path::PathBuf;

use attribution::measures::{Object, Truth};
use nn::Model;
use nn::data::{LabelledImages, Rect, fashion_mnist};

use super::EvaluateArgs;
use super::given::Given;
use crate::program::terminal::{Failure, complain, words};
use crate::program::training::data::{Embedded, first, scattered_test};
pub(super) use matching::Matching;
pub(super) use pictures::{Listed, Pictures};

/// The images of an evaluation, in the shape of the network's input.
pub(super) struct Data {
    pub(super) name: String,
    pub(super) images: LabelledImages,
    /// Where the objects of each image are; `None` if nothing is known of any image.
    pub(super) truths: Option<Vec<Option<Truth>>>,
    /// The images' files, if they are files.
    pub(super) files: Vec<PathBuf>,
    /// Maps that were made elsewhere.
    pub(super) given: Option<Given>,
    /// The number of files that were skipped because they can't be read.
    pub(super) skipped: usize,
}

impl Data {
    /// Opens the images and checks that they fit the model.
    pub(super) fn open(args: &EvaluateArgs, model: &Model) -> Result<Self, Failure> {
        let data = match (&args.test_images, &args.test_labels, &args.folder, &args.csv) {
            (_, _, Some(folder), _) => {
                let listed = files::in_folder(folder, model)?;
                Self::of_files(args, model, folder.display().to_string(), listed)?
            }
            (_, _, _, Some(file)) => {
                Self::of_files(args, model, file.display().to_string(), files::in_csv(file, model)?)?
            }
            (Some(images), Some(labels), _, _) => {
                let names = (0..model.classes()).map(|class| model.class_name(class)).collect();
                let name = images.display().to_string();
                Self::in_memory(name, first(&LabelledImages::open_idx(images, labels, names)?, args.limit))
            }
            _ => Self::embedded(args)?,
        };
        data.check(model, &args.model.display().to_string())?;
        Ok(data)
    }

    fn in_memory(name: String, images: LabelledImages) -> Self {
        Self { name, images, truths: None, files: Vec::new(), given: None, skipped: 0 }
    }

    fn embedded(args: &EvaluateArgs) -> Result<Self, Failure> {
        match args.data {
            Embedded::FashionMnist => {
                Ok(Self::in_memory("Fashion-MNIST".into(), first(fashion_mnist::test(), args.limit)))
            }
            Embedded::Scattered => {
                let scattered = scattered_test(args.limit, args.seed)?;
                let truths = scattered.boxes.into_iter().map(|place| Some(place.into())).collect();
                let data = Self::in_memory("the scattered task".into(), scattered.images);
                Ok(Self { truths: Some(truths), ..data })
            }
        }
    }

    /// Reads the first pictures, those of a folder from each class in turn, and the boxes, masks and maps given for them.
    fn of_files(args: &EvaluateArgs, model: &Model, name: String, listed: Vec<Listed>) -> Result<Self, Failure> {
        let names: Vec<PathBuf> = listed.iter().map(|listed| listed.name.clone()).collect();
        let chosen = match args.folder {
            // The order of a list is its author's.
            None => (0..listed.len().min(args.limit)).collect(),
            Some(_) => pictures::in_turn(&listed, args.limit),
        };
        let pictures = Pictures::read(&name, &listed, chosen, model, args.skip_unreadable)?;
        let truths = match (&args.boxes, &args.masks) {
            (Some(boxes), _) => Some(places::read(boxes, &Matching::of_names(&names), &listed, &pictures, model)?),
            (_, Some(masks)) => Some(masks::read(masks, &Matching::of_stems(&names), &pictures, model)?),
            _ => None,
        };
        if let (Some(truths), Some(source)) = (&truths, args.boxes.as_ref().or(args.masks.as_ref())) {
            told(truths, &source.display().to_string())?;
        }
        let shape = model.input_shape();
        let stems = Matching::of_stems(&names);
        let given =
            args.maps.as_ref().map(|maps| Given::read(maps, &stems, &listed, &pictures, shape, model)).transpose()?;
        let files = pictures.chosen.iter().map(|&index| names[index].clone()).collect();
        let labels = pictures.chosen.iter().map(|&index| listed[index].label).collect();
        let classes = (0..model.classes()).map(|class| model.class_name(class)).collect();
        let [height, width, channels] = shape;
        let images =
            LabelledImages::new(pictures.pixels, [pictures.chosen.len(), height, width, channels], labels, classes)?;
        Ok(Self { name, images, truths, files, given, skipped: pictures.skipped })
    }

    fn check(&self, model: &Model, file: &str) -> Result<(), Failure> {
        let [_, height, width, channels] = self.images.shape();
        let (found, expected) = ([height, width, channels], model.input_shape());
        if found != expected {
            return Err(format!("{file}: expects images {expected:?}, found {found:?} in {}", self.name).into());
        }
        let (classes, expected) = (self.images.class_names().len(), model.classes());
        if classes > expected {
            return Err(format!("{file}: has {expected} classes, {} has {classes}", self.name).into());
        }
        Ok(())
    }

    /// A box round an object of each image.
    pub(super) fn places(&self) -> Vec<Option<Rect>> {
        let first = |truth: &Option<Truth>| truth.as_ref()?.boxes().first().copied();
        self.truths.iter().flatten().map(first).collect()
    }

    /// The image's name in reports.
    pub(super) fn title(&self, index: usize) -> String {
        self.files.get(index).map_or_else(|| format!("{index}"), |file| file.display().to_string())
    }
}

/// Says how many pictures lack a truth; fails if all do.
fn told(truths: &[Option<Truth>], source: &str) -> Result<(), Failure> {
    let without = truths.iter().filter(|truth| truth.is_none()).count();
    match without {
        0 => {}
        _ if without == truths.len() => {
            return Err(format!("{source}: no object lies within the part of its picture that the network sees").into());
        }
        _ => complain!(
            "{source}: no object for {} within the part that the network sees; measures that need an object \
             skip them",
            words::count(without, "picture")
        ),
    }
    Ok(())
}
