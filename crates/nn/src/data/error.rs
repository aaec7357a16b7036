//! What can be wrong with data.

use std::io;

use thiserror::Error;

use super::PhotoError;
use super::idx::MOST_BYTES;

/// Files that a message lists; of more it gives the number.
const LISTED: usize = 10;

fn listed(errors: &[PhotoError]) -> String {
    let mut lines: String = errors.iter().take(LISTED).map(|error| format!("\n  {error}")).collect();
    if errors.len() > LISTED {
        lines += &format!("\n  and {} more", errors.len() - LISTED);
    }
    lines
}

/// Data that can't be used, and why.
///
/// `file` is the path that was opened, or the name that the caller gave to a reader.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system couldn't open or read it.
    #[error("{file}: {cause}")]
    Io {
        /// What was read.
        file: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The gzip stream ends early, or is damaged.
    #[error("{file}: expected a whole gzip stream, found a truncated or damaged one: {cause}")]
    Gzip {
        /// What was read.
        file: String,
        /// What the decoder says.
        cause: io::Error,
    },
    /// Not an IDX file.
    #[error(
        "{file}: expected an IDX file, which begins with 00 00, a type and a number of dimensions; found {found:02x?}"
    )]
    NotIdx {
        /// What was read.
        file: String,
        /// Its first bytes, up to four.
        found: Vec<u8>,
    },
    /// An IDX file of something else than bytes.
    #[error("{file}: expected IDX elements of type u8 (0x08), found type {found} (0x{code:02x})")]
    ElementType {
        /// What was read.
        file: String,
        /// The type's code in the file.
        code: u8,
        /// The type's name.
        found: &'static str,
    },
    /// The file ends inside its header.
    #[error("{file}: expected an IDX header of {expected} bytes, found {found}")]
    HeaderLength {
        /// What was read.
        file: String,
        /// Bytes that the number of dimensions asks for.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// More elements than can be meant.
    #[error("{file}: the header promises {shape:?}, more elements than the {MOST_BYTES} that can be meant")]
    TooLarge {
        /// What was read.
        file: String,
        /// Dimensions in the header.
        shape: Vec<usize>,
    },
    /// Fewer elements than the header promises.
    #[error("{file}: the header promises {shape:?}, {expected} bytes, found only {found}")]
    TooShort {
        /// What was read.
        file: String,
        /// Dimensions in the header.
        shape: Vec<usize>,
        /// Their product.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// More elements than the header promises.
    #[error("{file}: the header promises {shape:?}, {expected} bytes, found more")]
    TooLong {
        /// What was read.
        file: String,
        /// Dimensions in the header.
        shape: Vec<usize>,
        /// Their product.
        expected: usize,
    },
    /// A file of something else than whole records.
    #[error("{file}: expected one or more records of {record} bytes, found {found} bytes")]
    Records {
        /// What was read.
        file: String,
        /// Bytes of a record.
        record: usize,
        /// Bytes there.
        found: usize,
    },
    /// A picture that can't be read.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// Pictures that can't be read where all were asked for.
    #[error("{folder}: {} of {pictures} files aren't pictures; remove them, or have them skipped:{}", unreadable.len(), listed(unreadable))]
    Unreadable {
        /// The folder of all classes.
        folder: String,
        /// Files in it.
        pictures: usize,
        /// What is wrong with each of those that can't be read.
        unreadable: Vec<PhotoError>,
    },
    /// A folder without a folder of pictures for each class.
    #[error("{folder}: expected a folder for each class with pictures in it, found {found}")]
    NoClasses {
        /// The folder.
        folder: String,
        /// What is in it.
        found: String,
    },
    /// A folder for a class that the pictures trained on don't have.
    #[error("{folder} has the class {class:?}, the training pictures only {}; rename its folder, or remove it", known.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))]
    UnknownClass {
        /// The folder of all classes.
        folder: String,
        /// The class.
        class: String,
        /// The classes that there are.
        known: Vec<String>,
    },
    /// Parts of a set that leave no rest.
    #[error(
        "expected shares for validation and test of at least 0 and less than 1 together, found {validation} and {test}"
    )]
    Split {
        /// The share for validation.
        validation: f64,
        /// The share for test.
        test: f64,
    },
    /// An augmentation that makes no sense for the images.
    #[error("expected an augmentation with {field} from {} to {}, found {found}", range.start(), range.end())]
    Augmentation {
        /// Which value.
        field: &'static str,
        /// What it is.
        found: f64,
        /// What it may be.
        range: std::ops::RangeInclusive<f64>,
    },
    /// Labels where images were expected, or the reverse.
    #[error("{file}: expected {expected}, found {found:?}")]
    Rank {
        /// What was read.
        file: String,
        /// The dimensions wanted, in words.
        expected: &'static str,
        /// Dimensions in the header.
        found: Vec<usize>,
    },
    /// Images without pixels, or a number of pixels that the shape doesn't ask for.
    #[error("{file}: expected pixels for [N, H, W, C] = {shape:?} with H, W, C ≥ 1, found {found}")]
    Pixels {
        /// What was read.
        file: String,
        /// `[N, H, W, C]`.
        shape: [usize; 4],
        /// Pixel values there.
        found: usize,
    },
    /// Not one label an image.
    #[error("expected one label an image, found {images} images in {images_file} and {labels} labels in {labels_file}")]
    Counts {
        /// Where the images came from.
        images_file: String,
        /// Number of images.
        images: usize,
        /// Where the labels came from.
        labels_file: String,
        /// Number of labels.
        labels: usize,
    },
    /// A label that names no class.
    #[error("{file}: expected labels below the number of classes, {classes}; found {label} at index {index}")]
    Label {
        /// Where the labels came from.
        file: String,
        /// Which label, from 0.
        index: usize,
        /// Its value.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Means and standard deviations that normalise nothing.
    #[error(
        "expected a finite mean and a positive, finite standard deviation a channel, found means {mean:?} and deviations {std:?}"
    )]
    Normalization {
        /// Means, one a channel.
        mean: Vec<f32>,
        /// Standard deviations, one a channel.
        std: Vec<f32>,
    },
    /// A pixel's range that can't be divided by.
    #[error("expected a scale above 0 to divide a pixel's bytes by, found {0}")]
    Scale(f32),
    /// No share of a picture.
    #[error("expected a share of the picture, more than 0 and at most 1, found {0}")]
    Share(f64),
    /// The canvas can't hold the object.
    #[error("expected a canvas of at least {image:?} (height, width), found {canvas:?}")]
    Canvas {
        /// `[height, width]` of the images to be scattered.
        image: [usize; 2],
        /// `[height, width]` of the canvas.
        canvas: [usize; 2],
    },
    /// Clutter can't be cut from the images.
    #[error("expected sides of clutter within 1 ..= {largest}, the image's smaller side; found {found:?}")]
    PatchSides {
        /// The smaller side of the images.
        largest: usize,
        /// Sides asked for.
        found: std::ops::RangeInclusive<usize>,
    },
    /// Clutter comes from images of other classes, and there are none.
    #[error("clutter is cut from images of other classes, but all {images} images are of class {class:?}")]
    OneClass {
        /// Number of images.
        images: usize,
        /// Name of their class.
        class: String,
    },
    /// An image without an object.
    #[error("expected a pixel above {threshold} in each image, found none in image {index}")]
    Blank {
        /// Which image, from 0.
        index: usize,
        /// The largest value that counts as background.
        threshold: u8,
    },
}
