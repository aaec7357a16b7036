//! Datasets of picture files, in a folder for each class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Crop, DataError, Dataset, Photo, PhotoError};

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

/// A dataset of picture files, in a folder for each class. The pictures have any format that [`Photo::open`] reads and any
/// size, and are grey or in colour.
///
/// ```text
/// pets/cat/one.jpg
/// pets/cat/indoors/two.png
/// pets/dog/three.webp
/// ```
///
/// The classes are named like their folders. Classes, and files within a class, are in alphabetical order. A class includes the
/// files in subfolders. Names that begin with a dot are ignored.
pub struct ImageFolder {
    files: Vec<PathBuf>,
    labels: Vec<usize>,
    class_names: Vec<String>,
    settings: FolderSettings,
    /// The pixels of the first images.
    kept: Vec<u8>,
    skipped: Vec<PhotoError>,
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
    /// Opens a folder and decodes each picture once, in parallel, so that damaged files are found now rather than during an
    /// epoch. `watch` is called with the number of files read so far and their total number.
    ///
    /// # Errors
    /// If the folder can't be listed or has no pictures, or if a file isn't a picture and [`Unreadable::Refuse`] is set.
    pub fn open(
        folder: impl AsRef<Path>,
        settings: FolderSettings,
        watch: impl FnMut(usize, usize),
    ) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let (class_names, found) = classes(folder)?;
        Self::decoded(folder, class_names, &found, settings, watch)
    }

    /// Opens another folder with the same classes and settings, for validation or test. It shares this folder's memory limit, and
    /// may lack some of the classes.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if the folder has a class that this one hasn't.
    pub fn open_another(&self, folder: impl AsRef<Path>, watch: impl FnMut(usize, usize)) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let (names, mut found) = classes(folder)?;
        let label = |class: &String| {
            self.class_names.iter().position(|own| own == class).ok_or_else(|| DataError::UnknownClass {
                folder: folder.display().to_string(),
                class: class.clone(),
                known: self.class_names.clone(),
            })
        };
        let labels = names.iter().map(label).collect::<Result<Vec<_>, _>>()?;
        found.iter_mut().for_each(|(_, class)| *class = labels[*class]);
        let settings = FolderSettings { memory: self.settings.memory - self.kept.len(), ..self.settings.clone() };
        Self::decoded(folder, self.class_names.clone(), &found, settings, watch)
    }

    fn decoded(
        folder: &Path,
        class_names: Vec<String>,
        found: &[Labelled],
        settings: FolderSettings,
        mut watch: impl FnMut(usize, usize),
    ) -> Result<Self, DataError> {
        let (total, [h, w, c]) = (found.len(), settings.shape);
        let size = settings.shape.iter().try_fold(1usize, |size, &extent| size.checked_mul(extent));
        let Some(size) = size.filter(|&size| size > 0) else {
            let file = folder.display().to_string();
            return Err(DataError::Pixels { file, shape: [total, h, w, c], found: 0 });
        };
        let kept = Vec::with_capacity((settings.memory / size).min(total) * size);
        let mut this = Self { files: vec![], labels: vec![], class_names, settings, kept, skipped: vec![] };
        let at_once = DECODED_BY_EACH * rayon::current_num_threads();
        for (number, some) in found.chunks(at_once).enumerate() {
            let decoded: Vec<_> = some.par_iter().map(|(path, _)| this.decode(path)).collect();
            for ((path, label), image) in some.iter().zip(decoded) {
                match image {
                    Ok(pixels) => this.add(path, *label, &pixels),
                    // Due to the settings, not the file.
                    Err(error @ PhotoError::Channels { .. }) => return Err(error.into()),
                    Err(error) => this.skipped.push(error),
                }
            }
            watch((at_once * (number + 1)).min(total), total);
        }
        let folder = folder.display().to_string();
        if !this.skipped.is_empty() && this.settings.unreadable == Unreadable::Refuse {
            return Err(DataError::Unreadable { folder, pictures: total, unreadable: this.skipped });
        }
        if this.files.is_empty() {
            return Err(DataError::NoPictures { folder, files: total });
        }
        Ok(this)
    }

    fn add(&mut self, path: &Path, label: usize, pixels: &[u8]) {
        let all_kept = self.kept.len() == self.files.len() * pixels.len();
        if all_kept && self.kept.len() + pixels.len() <= self.settings.memory {
            self.kept.extend_from_slice(pixels);
        }
        self.files.push(path.to_owned());
        self.labels.push(label);
    }

    fn decode(&self, path: &Path) -> Result<Vec<u8>, PhotoError> {
        let FolderSettings { shape: [h, w, c], crop, .. } = self.settings;
        let image = Photo::open(path)?.fit(h, w, crop).with_channels(c)?;
        Ok(image.pixels().iter().copied().collect())
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

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn label(&self, index: usize) -> usize {
        self.labels[index]
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let size = self.image_size();
        match self.kept.get(index * size..(index + 1) * size) {
            Some(image) => pixels.copy_from_slice(image),
            None => pixels.copy_from_slice(&self.decode(&self.files[index])?),
        }
        Ok(())
    }
}

/// A file and the index of its class.
type Labelled = (PathBuf, usize);

/// The names of the subfolders that contain files, and these files.
fn classes(folder: &Path) -> Result<(Vec<String>, Vec<Labelled>), DataError> {
    let mut names = Vec::new();
    let mut found = Vec::new();
    let entries = entries(folder)?;
    for (name, path) in entries.iter().filter(|(_, path)| path.is_dir()) {
        let before = found.len();
        gather(path, names.len(), &mut found)?;
        if found.len() > before {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        let folders = entries.values().filter(|path| path.is_dir()).count();
        let files = entries.len() - folders;
        return Err(DataError::NoClasses { folder: folder.display().to_string(), files, folders });
    }
    Ok((names, found))
}

/// Collects all files in a folder and its subfolders.
fn gather(folder: &Path, class: usize, found: &mut Vec<Labelled>) -> Result<(), DataError> {
    for path in entries(folder)?.into_values() {
        // Links to folders aren't followed, since they may form a cycle.
        if !path.is_dir() {
            found.push((path, class));
        } else if !path.is_symlink() {
            gather(&path, class, found)?;
        }
    }
    Ok(())
}

/// The entries of a folder by name, without those whose names begin with a dot.
fn entries(folder: &Path) -> Result<BTreeMap<String, PathBuf>, DataError> {
    let failed = |cause| DataError::Io { file: folder.display().to_string(), cause };
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.insert(name, path);
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};

    use super::*;
    use crate::data::Loader;

    /// Two pictures of cats, of 12×8 and 30×40 pixels, one of a dog in grey, and an empty folder for birds.
    fn pets() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, image: DynamicImage| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            image.save(path).unwrap();
        };
        save("dog/three.bmp", GrayImage::from_pixel(9, 9, Luma([90])).into());
        save("cat/one.png", RgbImage::from_fn(12, 8, |x, y| Rgb([20 * x as u8, 30 * y as u8, 7])).into());
        save("cat/indoors/two.png", RgbImage::from_pixel(30, 40, Rgb([10, 20, 30])).into());
        fs::create_dir(folder.path().join("bird")).unwrap();
        fs::write(folder.path().join("cat/.hidden"), b"no picture").unwrap();
        fs::write(folder.path().join("read me.txt"), b"beside the classes").unwrap();
        folder
    }

    fn settings(memory: usize) -> FolderSettings {
        FolderSettings { shape: [4, 4, 3], crop: Crop::Largest, unreadable: Unreadable::Refuse, memory }
    }

    fn open(folder: &tempfile::TempDir, settings: FolderSettings) -> Result<ImageFolder, DataError> {
        ImageFolder::open(folder.path(), settings, |_, _| ())
    }

    fn images(folder: &ImageFolder) -> Vec<Vec<u8>> {
        let mut pixels = vec![0; folder.image_shape().iter().product()];
        let read = |index| {
            folder.read(index, &mut pixels).unwrap();
            pixels.clone()
        };
        (0..folder.len()).map(read).collect()
    }

    #[test]
    fn pictures_of_any_size_and_mode_become_images_of_one_shape() {
        let folder = pets();
        let mut told = Vec::new();
        let pets = ImageFolder::open(folder.path(), settings(0), |read, total| told.push((read, total))).unwrap();
        assert_eq!(told, [(3, 3)]);
        assert_eq!(pets.class_names(), ["cat", "dog"]);
        let names = ["cat/indoors/two.png", "cat/one.png", "dog/three.bmp"];
        assert!(pets.files().iter().eq(&names.map(|name| folder.path().join(name))));
        assert_eq!((0..3).map(|index| pets.label(index)).collect::<Vec<_>>(), [0, 0, 1]);
        let images = images(&pets);
        assert_eq!(images[0], [10, 20, 30].repeat(16));
        assert_eq!(images[2], vec![90; 48]);
        let expected = Photo::open(&pets.files()[1]).unwrap().fit(4, 4, Crop::Largest);
        assert_eq!(images[1], expected.pixels().as_slice().unwrap());
    }

    #[test]
    fn the_limit_on_memory_changes_no_image() {
        let folder = pets();
        let all = images(&open(&folder, settings(0)).unwrap());
        for (memory, kept) in [(0, 0), (47, 0), (100, 2), (144, 3), (usize::MAX, 3)] {
            let pets = open(&folder, settings(memory)).unwrap();
            assert_eq!(pets.kept(), kept);
            assert_eq!(images(&pets), all);
        }
    }

    #[test]
    fn unreadable_files_are_refused_or_skipped_and_listed() {
        let folder = pets();
        fs::write(folder.path().join("cat/notes.txt"), b"no picture").unwrap();
        let whole = fs::read(folder.path().join("cat/one.png")).unwrap();
        fs::write(folder.path().join("dog/half.png"), &whole[..whole.len() / 2]).unwrap();
        let error = open(&folder, settings(1000)).err().unwrap().to_string();
        assert!(error.contains("2 of 5 files aren't pictures"), "{error}");
        assert!(
            error.contains("notes.txt: expected") && error.contains("half.png: a PNG picture that can't"),
            "{error}"
        );
        let pets = open(&folder, FolderSettings { unreadable: Unreadable::Skip, ..settings(1000) }).unwrap();
        assert_eq!((pets.len(), pets.skipped().len()), (3, 2));
        assert_eq!(images(&pets)[2], vec![90; 48]);
    }

    #[test]
    fn another_folder_has_the_same_classes_and_shares_the_memory() {
        let (folder, other) = (pets(), pets());
        let pets = open(&folder, settings(200)).unwrap();
        // Without cats and with the birds' folder still empty, dogs stay the second class.
        fs::remove_dir_all(other.path().join("cat")).unwrap();
        let test = pets.open_another(other.path(), |_, _| ()).unwrap();
        assert_eq!((test.len(), test.label(0), test.class_names()), (1, 1, pets.class_names()));
        assert_eq!((pets.kept(), test.kept()), (3, 1));
        assert_eq!(images(&test)[0], images(&pets)[2]);
        let full = open(&folder, settings(150)).unwrap();
        assert_eq!(full.open_another(other.path(), |_, _| ()).unwrap().kept(), 0);
        fs::rename(other.path().join("dog"), other.path().join("dogs")).unwrap();
        let error = pets.open_another(other.path(), |_, _| ()).err().unwrap().to_string();
        assert!(error.contains("has the class \"dogs\", the training pictures only \"cat\", \"dog\""), "{error}");
    }

    #[test]
    fn an_epoch_names_a_picture_that_has_been_removed() {
        let folder = pets();
        let pets = open(&folder, settings(100)).unwrap();
        let normalization = pets.statistics().unwrap();
        fs::remove_file(folder.path().join("dog/three.bmp")).unwrap();
        // Images in memory don't need their files.
        fs::remove_file(folder.path().join("cat/one.png")).unwrap();
        let loader = Loader::new(&pets, &normalization, 2);
        let found = loader.epoch(0, 0, |batches| batches.map(|batch| batch.map(|_| ())).collect::<Vec<_>>());
        assert_eq!(found.len(), 2);
        assert!(found[0].is_ok());
        let error = found[1].as_ref().unwrap_err().to_string();
        assert!(error.contains("three.bmp: can't be read"), "{error}");
    }

    #[test]
    fn folders_without_classes_say_what_is_there() {
        let empty = tempfile::tempdir().unwrap();
        fs::create_dir(empty.path().join("cat")).unwrap();
        fs::write(empty.path().join("cat.png"), b"").unwrap();
        let error = open(&empty, settings(0)).err().unwrap().to_string();
        assert!(error.contains("found 1 files and 1 folders without any"), "{error}");
        fs::write(empty.path().join("cat/notes.txt"), b"").unwrap();
        let skip = FolderSettings { unreadable: Unreadable::Skip, ..settings(0) };
        let error = open(&empty, skip).err().unwrap().to_string();
        assert!(error.contains("1 files, none of them a picture"), "{error}");
        assert!(matches!(ImageFolder::open("nowhere", settings(0), |_, _| ()), Err(DataError::Io { .. })));
        let nothing = FolderSettings { shape: [4, 0, 3], ..settings(0) };
        assert!(matches!(open(&pets(), nothing), Err(DataError::Pixels { .. })));
        let two_channels = FolderSettings { shape: [4, 4, 2], ..settings(0) };
        let error = open(&pets(), two_channels).err().unwrap();
        assert!(matches!(error, DataError::Photo(PhotoError::Channels { expected: 2 })), "{error}");
    }
}
