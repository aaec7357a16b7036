//! Datasets of picture files.

mod listing;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub(super) use listing::gather;
use listing::{classes, divided, divided_by_names, relabel};

use super::mask_files::{Coding, MaskFiles};
use super::part::Part;
use super::{Crop, DataError, Dataset, LabelTable, Mask, Parts, Photo, PhotoError, Truth};
use crate::model::Task;

/// Number of pictures that each thread decodes before the results are collected in order.
const DECODED_BY_EACH: usize = 16;

/// How the pictures of a folder are converted to images of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderSettings {
    /// The shape `[H, W, C]` of the images; C is 1 (grey) or 3 (red, green, blue).
    pub shape: [usize; 3],
    /// Which part of a picture is resized to `[H, W]`.
    pub crop: Crop,
    /// How files that aren't pictures are treated.
    pub unreadable: Unreadable,
    /// Limit on the memory for decoded images in bytes; images beyond it are decoded each time they are read.
    pub memory: usize,
}

/// How damaged files and files that aren't pictures are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreadable {
    /// [`ImageFolder::open`] fails with an error that lists them.
    #[default]
    Refuse,
    /// They are skipped; [`ImageFolder::skipped`] lists them.
    Skip,
}

/// A dataset of picture files. The pictures have any format that [`Photo::open`] reads and any size, and are grey or in colour.
///
/// What is true of a picture is said by its folder ([`open`](Self::open)), by a CSV file ([`open_table`](Self::open_table)), or by
/// a mask ([`open_masks`](Self::open_masks)). With a folder for each class:
///
/// ```text
/// pets/cat/one.jpg
/// pets/cat/indoors/two.png
/// pets/dog/three.webp
/// ```
///
/// The classes are named like their folders. Classes, and files within a class, are in alphabetical order. A class includes the
/// files in subfolders. Names that begin with a dot are ignored.
///
/// A folder that is already divided has such folders in `train` and in `val` (or `valid`, `validation`) or `test` (or both); then
/// [`parts`](Self::parts) says which image belongs to which.
pub struct ImageFolder {
    files: Vec<PathBuf>,
    truths: Truths,
    class_names: Vec<String>,
    units: Vec<String>,
    settings: FolderSettings,
    /// The pixels of the first images.
    kept: Vec<u8>,
    skipped: Vec<PhotoError>,
    parts: Option<Parts>,
}

/// What is true of the images.
enum Truths {
    Classes(Vec<usize>),
    /// Labels or values, `[N, K]`.
    Rows(Task, Vec<f32>),
    /// The file of each mask; the classes of the first ones, as many as images are kept.
    Masks {
        files: Vec<PathBuf>,
        kept: Vec<u8>,
        coding: Coding,
    },
}

/// A picture's file, what is true of it, and the part that it belongs to.
struct Found {
    path: PathBuf,
    truth: FoundTruth,
    part: Part,
}

enum FoundTruth {
    Class(usize),
    Row(Vec<f32>),
    Mask(PathBuf),
}

impl fmt::Debug for ImageFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (images, classes, kept) = (self.files.len(), &self.class_names, self.kept());
        let mut shown = f.debug_struct("ImageFolder");
        shown.field("images", &images).field("classes", classes).field("settings", &self.settings);
        shown.field("kept", &kept).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}

impl ImageFolder {
    /// Opens a folder that contains a folder for each class, and decodes each picture once, in parallel, so that damaged files are
    /// found now rather than during an epoch. `watch` is called with the number of files read so far and their total number.
    ///
    /// # Errors
    /// If the folder can't be listed or has no pictures, if a file isn't a picture and [`Unreadable::Refuse`] is set, or if a
    /// divided folder has a class that its `train` hasn't.
    pub fn open(
        folder: impl AsRef<Path>,
        settings: FolderSettings,
        watch: impl FnMut(usize, usize),
    ) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let divided = divided(folder)?;
        if divided.is_empty() {
            let (class_names, found) = classes(folder)?;
            return Self::empty(class_names, settings, Truths::Classes(vec![])).decoded(folder, found, false, watch);
        }
        let mut known = Vec::new();
        let mut all = Vec::new();
        for (part, folder) in divided {
            let (names, mut found) = classes(&folder)?;
            if part == Part::Training {
                known = names;
            } else {
                relabel(&folder, &names, &known, &mut found)?;
            }
            found.iter_mut().for_each(|found| found.part = part);
            all.append(&mut found);
        }
        Self::empty(known, settings, Truths::Classes(vec![])).decoded(folder, all, true, watch)
    }

    /// Opens another folder with the same classes and settings, for validation or test. It shares this folder's memory limit, and
    /// may lack some of the classes.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if the folder has a class that this one hasn't.
    pub fn open_another(&self, folder: impl AsRef<Path>, watch: impl FnMut(usize, usize)) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let (names, mut found) = classes(folder)?;
        relabel(folder, &names, &self.class_names, &mut found)?;
        let this = Self::empty(self.class_names.clone(), self.rest(), Truths::Classes(vec![]));
        this.decoded(folder, found, false, watch)
    }

    /// Opens the pictures of a table, and decodes each once as [`open`](Self::open) does.
    ///
    /// # Errors
    /// If a file isn't a picture and [`Unreadable::Refuse`] is set.
    pub fn open_table(
        table: &LabelTable,
        settings: FolderSettings,
        watch: impl FnMut(usize, usize),
    ) -> Result<Self, DataError> {
        let found = table.rows.iter().map(|row| Found {
            path: row.file.clone(),
            truth: row.class.map_or_else(|| FoundTruth::Row(row.numbers.clone()), FoundTruth::Class),
            part: row.part,
        });
        let truths = match table.task {
            Task::Classes => Truths::Classes(vec![]),
            task => Truths::Rows(task, vec![]),
        };
        let mut this = Self::empty(table.names.clone(), settings, truths);
        this.units.clone_from(&table.units);
        this.decoded(&table.path, found.collect(), table.has_parts, watch)
    }

    /// Opens the pictures of another table with the same names, for validation or test; see [`LabelTable::open_for`]. It shares
    /// the memory limit.
    ///
    /// # Errors
    /// As [`open_table`](Self::open_table).
    pub fn open_another_table(&self, table: &LabelTable, watch: impl FnMut(usize, usize)) -> Result<Self, DataError> {
        Self::open_table(table, self.rest(), watch)
    }

    /// Opens the pictures in a folder and its subfolders whose pixels have classes. The mask of `DIR/a/b.jpg` is
    /// `MASKS/a/b.png`, a picture of the same size; see [`Mask`]. Masks with the values 0 and 255 have two classes.
    ///
    /// `class_names` are the names of the values from 0 on. If there are none, the values of all masks must be without a gap, and
    /// the classes are called `background` and `object` if there are two, or by their numbers. Folders `train`, `val` and `test`
    /// divide the pictures.
    ///
    /// # Errors
    /// If a folder can't be listed, a picture or a mask has no counterpart, they have different sizes, a value is no class, or a
    /// file isn't a picture and [`Unreadable::Refuse`] is set.
    pub fn open_masks(
        folder: impl AsRef<Path>,
        masks: impl AsRef<Path>,
        class_names: &[String],
        settings: FolderSettings,
        watch: impl FnMut(usize, usize),
    ) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let mut pictures = Vec::new();
        gather(folder, &mut pictures)?;
        let MaskFiles { pairs, coding, names } = MaskFiles::find(folder, &pictures, masks.as_ref(), class_names)?;
        let divided = divided_by_names(folder)?;
        let part = |path: &Path| {
            let first = path.strip_prefix(folder).ok()?.components().next()?;
            Part::named(&first.as_os_str().to_string_lossy()).filter(|_| divided)
        };
        let found = pairs.into_iter().map(|(path, mask)| {
            let part = part(&path).unwrap_or(Part::Training);
            Found { path, truth: FoundTruth::Mask(mask), part }
        });
        let truths = Truths::Masks { files: vec![], kept: vec![], coding };
        Self::empty(names, settings, truths).decoded(folder, found.collect(), divided, watch)
    }

    fn empty(class_names: Vec<String>, settings: FolderSettings, truths: Truths) -> Self {
        let (units, kept) = (vec![], vec![]);
        Self { files: vec![], truths, class_names, units, settings, kept, skipped: vec![], parts: None }
    }

    /// The settings for another set, with the memory that this one leaves.
    fn rest(&self) -> FolderSettings {
        FolderSettings { memory: self.settings.memory - self.kept.len(), ..self.settings.clone() }
    }

    /// Decodes the pictures. `place` is the folder or file that said where they are.
    fn decoded(
        mut self,
        place: &Path,
        found: Vec<Found>,
        divided: bool,
        mut watch: impl FnMut(usize, usize),
    ) -> Result<Self, DataError> {
        let (total, [h, w, c]) = (found.len(), self.settings.shape);
        let place = place.display().to_string();
        let size = self.settings.shape.iter().try_fold(1usize, |size, &extent| size.checked_mul(extent));
        let Some(size) = size.filter(|&size| size > 0) else {
            return Err(DataError::Pixels { file: place, shape: [total, h, w, c], found: 0 });
        };
        self.kept.reserve_exact((self.settings.memory / size).min(total) * size);
        let mut parts = Parts { training: vec![], validation: vec![], test: vec![] };
        let at_once = DECODED_BY_EACH * rayon::current_num_threads();
        let (mut found, mut read) = (found.into_iter(), 0);
        loop {
            let some: Vec<Found> = found.by_ref().take(at_once).collect();
            if some.is_empty() {
                break;
            }
            read += some.len();
            let decoded: Vec<_> = some.par_iter().map(|found| self.decode_found(found)).collect();
            for (found, image) in some.into_iter().zip(decoded) {
                match image {
                    Ok((pixels, mask)) => {
                        match found.part {
                            Part::Training => parts.training.push(self.files.len()),
                            Part::Validation => parts.validation.push(self.files.len()),
                            Part::Test => parts.test.push(self.files.len()),
                        }
                        self.add(found, &pixels, &mask);
                    }
                    // Due to the settings, not the file.
                    Err(DataError::Photo(error @ PhotoError::Channels { .. })) => return Err(error.into()),
                    Err(DataError::Photo(error)) => self.skipped.push(error),
                    Err(error) => return Err(error),
                }
            }
            watch(read, total);
        }
        if !self.skipped.is_empty() && self.settings.unreadable == Unreadable::Refuse {
            return Err(DataError::Unreadable { folder: place, pictures: total, unreadable: self.skipped });
        }
        if self.files.is_empty() {
            return Err(DataError::NoPictures { folder: place, files: total });
        }
        self.parts = divided.then_some(parts);
        Ok(self)
    }

    fn add(&mut self, found: Found, pixels: &[u8], mask: &[u8]) {
        let (number, mut used) = (self.files.len(), self.kept.len());
        if let Truths::Masks { kept, .. } = &self.truths {
            used += kept.len();
        }
        let all_kept = self.kept.len() == number * pixels.len();
        let keep = all_kept && used + pixels.len() + mask.len() <= self.settings.memory;
        if keep {
            self.kept.extend_from_slice(pixels);
        }
        match (&mut self.truths, found.truth) {
            (Truths::Classes(labels), FoundTruth::Class(class)) => labels.push(class),
            (Truths::Rows(_, rows), FoundTruth::Row(row)) => rows.extend(row),
            (Truths::Masks { files, kept, .. }, FoundTruth::Mask(file)) => {
                files.push(file);
                kept.extend_from_slice(if keep { mask } else { &[] });
            }
            _ => unreachable!("the truths of a set are of one kind"),
        }
        self.files.push(found.path);
    }

    /// The pixels of an image, and the classes of its mask if it has one.
    fn decode_found(&self, found: &Found) -> Result<(Vec<u8>, Vec<u8>), DataError> {
        let photo = Photo::open(&found.path)?;
        let mask = match &found.truth {
            FoundTruth::Mask(file) => self.decode_mask(file, Some((&found.path, &photo)))?,
            _ => Vec::new(),
        };
        Ok((self.fit(&photo)?, mask))
    }

    /// The classes of a mask for an image, after comparing its size with the picture's.
    fn decode_mask(&self, file: &Path, picture: Option<(&Path, &Photo)>) -> Result<Vec<u8>, DataError> {
        let (mask, [h, w, _]) = (Mask::open(file)?, self.settings.shape);
        if let Some((path, photo)) = picture
            && [mask.height(), mask.width()] != [photo.height(), photo.width()]
        {
            return Err(DataError::MaskSize {
                mask: file.to_owned(),
                found: [mask.height(), mask.width()],
                picture: path.to_owned(),
                expected: [photo.height(), photo.width()],
            });
        }
        let Truths::Masks { coding, .. } = &self.truths else { unreachable!("masks are those of a set with masks") };
        coding.classes(file, mask.fit(h, w, self.settings.crop).classes())
    }

    fn fit(&self, photo: &Photo) -> Result<Vec<u8>, PhotoError> {
        let FolderSettings { shape: [h, w, c], crop, .. } = self.settings;
        let image = photo.fit(h, w, crop).with_channels(c)?;
        Ok(image.pixels().iter().copied().collect())
    }

    /// The images of each part, if the folder or the table is divided.
    #[must_use]
    pub fn parts(&self) -> Option<&Parts> {
        self.parts.as_ref()
    }

    /// The errors of the skipped files.
    #[must_use]
    pub fn skipped(&self) -> &[PhotoError] {
        &self.skipped
    }

    /// The path of each image's file.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The number of images kept in memory; these are the first ones.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len() / self.image_size()
    }

    fn image_size(&self) -> usize {
        self.settings.shape.iter().product()
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.settings.shape
    }

    fn task(&self) -> Task {
        match &self.truths {
            Truths::Rows(task, _) => *task,
            Truths::Classes(_) | Truths::Masks { .. } => Task::Classes,
        }
    }

    fn is_map(&self) -> bool {
        matches!(self.truths, Truths::Masks { .. })
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn units(&self) -> &[String] {
        &self.units
    }

    fn label(&self, index: usize) -> usize {
        match &self.truths {
            Truths::Classes(labels) => labels[index],
            _ => panic!("the images of the folder have no classes"),
        }
    }

    fn truth(&self, index: usize) -> Result<Truth<'_>, DataError> {
        let names = self.class_names.len();
        Ok(match &self.truths {
            Truths::Classes(labels) => Truth::Class(labels[index]),
            Truths::Rows(Task::Labels, rows) => Truth::Labels(&rows[index * names..][..names]),
            Truths::Rows(_, rows) => Truth::Values(&rows[index * names..][..names]),
            Truths::Masks { files, kept, .. } => {
                let size = self.settings.shape[0] * self.settings.shape[1];
                Truth::Mask(match kept.get(index * size..(index + 1) * size) {
                    Some(mask) => Cow::Borrowed(mask),
                    None => Cow::Owned(self.decode_mask(&files[index], None)?),
                })
            }
        })
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let size = self.image_size();
        match self.kept.get(index * size..(index + 1) * size) {
            Some(image) => pixels.copy_from_slice(image),
            None => pixels.copy_from_slice(&self.fit(&Photo::open(&self.files[index])?)?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
