//! Errors of data.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::idx::MOST_BYTES;
use super::{MaskError, PhotoError, TableError};

/// Limit on the number of files that a message lists.
const LISTED: usize = 10;

/// The texts of the first errors, a line each, and the number of the others.
fn listed(errors: &[PhotoError]) -> String {
    let mut lines: String = errors.iter().take(LISTED).map(|error| format!("\n  {error}")).collect();
    if errors.len() > LISTED {
        lines += &format!("\n  and {} more", errors.len() - LISTED);
    }
    lines
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Why data can't be used. The text contains that of the cause, which [`source`](std::error::Error::source) therefore doesn't
/// return.
///
/// `file` is the path of the file, or the name that the caller gave to a reader.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder can't be opened or read.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: String,
        /// The system's error.
        cause: io::Error,
    },
    /// A gzip stream is truncated or damaged.
    #[error("{file}: expected a whole gzip stream, found a truncated or damaged one: {cause}")]
    Gzip {
        /// The file.
        file: String,
        /// The decoder's error.
        cause: io::Error,
    },
    /// Not an IDX file.
    #[error(
        "{file}: expected an IDX file, which begins with 00 00, a type and a number of dimensions; found {found:02x?}"
    )]
    NotIdx {
        /// The file.
        file: String,
        /// The first bytes, up to four.
        found: Vec<u8>,
    },
    /// The elements of an IDX file aren't bytes.
    #[error("{file}: expected IDX elements of type u8 (0x08), found type {found} (0x{code:02x})")]
    ElementType {
        /// The file.
        file: String,
        /// The code of the element type.
        code: u8,
        /// The name of the element type.
        found: &'static str,
    },
    /// The header is truncated.
    #[error("{file}: expected an IDX header of {expected} bytes, found {found}")]
    HeaderLength {
        /// The file.
        file: String,
        /// The header's length for its number of dimensions, in bytes.
        expected: usize,
        /// The file's length in bytes.
        found: usize,
    },
    /// The number of elements in the header exceeds the limit.
    #[error("{file}: the header promises {shape:?}; the limit is {MOST_BYTES} elements")]
    TooLarge {
        /// The file.
        file: String,
        /// The dimensions in the header.
        shape: Vec<usize>,
    },
    /// Fewer elements than the header promises.
    #[error("{file}: the header promises {shape:?}, {expected} bytes, found only {found}")]
    TooShort {
        /// The file.
        file: String,
        /// The dimensions in the header.
        shape: Vec<usize>,
        /// The product of the dimensions.
        expected: usize,
        /// The number of bytes after the header.
        found: usize,
    },
    /// More elements than the header promises.
    #[error("{file}: the header promises {shape:?}, {expected} bytes, found more")]
    TooLong {
        /// The file.
        file: String,
        /// The dimensions in the header.
        shape: Vec<usize>,
        /// The product of the dimensions.
        expected: usize,
    },
    /// The file's length isn't a multiple of the record's, or it is empty.
    #[error("{file}: expected one or more records of {record} bytes, found {found} bytes")]
    Records {
        /// The file.
        file: String,
        /// The length of a record in bytes.
        record: usize,
        /// The file's length in bytes.
        found: usize,
    },
    /// A picture that can't be read.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// A mask that can't be read.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A table of labels that can't be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A picture without a mask.
    #[error("{}: there is no mask of this name in {}", picture.display(), masks.display())]
    NoMask {
        /// The picture.
        picture: PathBuf,
        /// The folder of the masks.
        masks: PathBuf,
    },
    /// A mask without a picture.
    #[error("{}: there is no picture of this name in {}", mask.display(), folder.display())]
    NoPicture {
        /// The mask.
        mask: PathBuf,
        /// The folder of the pictures.
        folder: PathBuf,
    },
    /// A mask of another size than its picture.
    #[error(
        "{}: the mask is {} × {}, its picture {} is {} × {}", mask.display(), found[0], found[1], picture.display(), expected[0],
        expected[1]
    )]
    MaskSize {
        /// The mask.
        mask: PathBuf,
        /// Its `[height, width]`.
        found: [usize; 2],
        /// The picture.
        picture: PathBuf,
        /// Its `[height, width]`.
        expected: [usize; 2],
    },
    /// A value of a mask that is no class.
    #[error("{}: expected {expected} at each pixel, found the value {found}", mask.display())]
    MaskValue {
        /// The mask.
        mask: PathBuf,
        /// The classes, in words.
        expected: String,
        /// The value.
        found: u8,
    },
    /// The values of masks have a gap, and the classes have no names.
    #[error(
        "{}: found the value {found}, but no mask has the value {gap}: classes are numbered from 0; if this is one of them, name \
         all classes", mask.display()
    )]
    MaskGap {
        /// The mask.
        mask: PathBuf,
        /// The largest value.
        found: usize,
        /// The smallest value that is missing.
        gap: usize,
    },
    /// All images or pixels are of one class.
    #[error("all {what} are of the class {class:?}: there is nothing to learn; expected at least two classes")]
    OnlyClass {
        /// Images or pixels.
        what: &'static str,
        /// The class.
        class: String,
    },
    /// A label or value is the same for all images.
    #[error("`{name}` is {value} for all images: there is nothing to learn; remove it")]
    Constant {
        /// The label or value.
        name: String,
        /// The number.
        value: f32,
    },
    /// Some files of a folder aren't readable pictures, and none are to be skipped.
    #[error(
        "{folder}: {} of {pictures} files aren't pictures; remove or skip them:{}", unreadable.len(), listed(unreadable)
    )]
    Unreadable {
        /// The folder.
        folder: String,
        /// The number of files in it.
        pictures: usize,
        /// An error for each file that can't be read.
        unreadable: Vec<PhotoError>,
    },
    /// A folder without a folder that contains files.
    #[error(
        "{folder}: expected a folder for each class with pictures in it, found {files} files and {folders} folders without \
         any"
    )]
    NoClasses {
        /// The folder.
        folder: String,
        /// The number of files directly in it.
        files: usize,
        /// The number of folders in it.
        folders: usize,
    },
    /// None of the files is a picture.
    #[error("{folder}: expected pictures, found {files} files, none of them a picture")]
    NoPictures {
        /// The folder.
        folder: String,
        /// The number of files in the folders of its classes.
        files: usize,
    },
    /// A class that the training images don't have.
    #[error(
        "{folder} has the class {class:?}, the training pictures only {}; rename its folder, or remove it",
        quoted(known)
    )]
    UnknownClass {
        /// The folder.
        folder: String,
        /// The class.
        class: String,
        /// The classes of the training images.
        known: Vec<String>,
    },
    /// The shares for validation and test aren't shares, or leave no images to train on.
    #[error(
        "expected shares for validation and test of at least 0 and less than 1 together, found {validation} and {test}"
    )]
    Split {
        /// The share for validation.
        validation: f64,
        /// The share for test.
        test: f64,
    },
    /// A setting of an augmentation is outside its range for the images.
    #[error("expected an augmentation with {field} from {} to {}, found {found}", range.start(), range.end())]
    Augmentation {
        /// The name of the field of [`Augmentation`](super::Augmentation).
        field: &'static str,
        /// Its value.
        found: f64,
        /// Its range.
        range: std::ops::RangeInclusive<f64>,
    },
    /// Masks of several images can't be mixed.
    #[error("mixup mixes classes, labels or values, and the images have masks: set mixup to 0")]
    MixedMasks,
    /// The wrong number of dimensions: labels instead of images, or the reverse.
    #[error("{file}: expected {expected}, found {found:?}")]
    Rank {
        /// The file.
        file: String,
        /// The expected dimensions, in words.
        expected: &'static str,
        /// The dimensions in the header.
        found: Vec<usize>,
    },
    /// Images without pixels, or the wrong number of pixel values for their shape.
    #[error("{file}: expected pixels for [N, H, W, C] = {shape:?} with H, W, C ≥ 1, found {found}")]
    Pixels {
        /// The file.
        file: String,
        /// `[N, H, W, C]`.
        shape: [usize; 4],
        /// The number of pixel values.
        found: usize,
    },
    /// The numbers of images and labels differ.
    #[error(
        "expected one label per image, found {images} images in {images_file} and {labels} labels in {labels_file}"
    )]
    Counts {
        /// The file of the images.
        images_file: String,
        /// Number of images.
        images: usize,
        /// The file of the labels.
        labels_file: String,
        /// Number of labels.
        labels: usize,
    },
    /// A label that isn't below the number of classes.
    #[error("{file}: expected labels below the number of classes, {classes}; found {label} at index {index}")]
    Label {
        /// The file of the labels.
        file: String,
        /// The label's index.
        index: usize,
        /// The label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Means that aren't finite, or standard deviations that aren't finite and positive.
    #[error(
        "expected a finite mean and a positive, finite standard deviation for each channel, found means {mean:?} and \
         deviations {std:?}"
    )]
    Normalization {
        /// The mean of each channel.
        mean: Vec<f32>,
        /// The standard deviation of each channel.
        std: Vec<f32>,
    },
    /// A scale that isn't finite and positive.
    #[error("expected a finite scale above 0, found {0}")]
    Scale(f32),
    /// A share outside (0, 1].
    #[error("expected a share of the picture, more than 0 and at most 1, found {0}")]
    Share(f64),
    /// The canvas is smaller than the images.
    #[error("expected a canvas of at least {image:?} (height, width), found {canvas:?}")]
    Canvas {
        /// `[height, width]` of the images.
        image: [usize; 2],
        /// `[height, width]` of the canvas.
        canvas: [usize; 2],
    },
    /// The range for the sides of clutter is empty, or exceeds the images.
    #[error("expected sides of clutter from 1 to {largest}, the image's smaller side; found {found:?}")]
    PatchSides {
        /// The smaller side of the images.
        largest: usize,
        /// The range.
        found: std::ops::RangeInclusive<usize>,
    },
    /// All images are of one class, so there are no images to cut clutter from.
    #[error("clutter is cut from images of other classes, but all {images} images are of class {class:?}")]
    OneClass {
        /// Number of images.
        images: usize,
        /// Name of their class.
        class: String,
    },
    /// An image without a pixel above the threshold.
    #[error("expected a pixel above {threshold} in each image, found none in image {index}")]
    Blank {
        /// The image's index.
        index: usize,
        /// The threshold.
        threshold: u8,
    },
}
