//! Boxes of objects in pictures, from the files of annotation programs: [CSV](open), [COCO JSON](open) and [Pascal
//! VOC](open).

mod coco;
mod csv;
mod voc;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The box of an object in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// The picture's file as the annotation names it: a name, or a path with some of its folders.
    pub picture: PathBuf,
    /// The left, top, right and bottom edges, in pixels of the picture. The picture itself has the edges 0, 0, its width and
    /// its height.
    pub edges: [f64; 4],
    /// The object's class, if the annotation names one.
    pub class: Option<String>,
    /// The picture's height and width, if the annotation says so.
    pub size: Option<(usize, usize)>,
    /// Where the annotation is: `boxes.csv, line 3`.
    pub place: String,
}

/// Why a file of boxes can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoxesError {
    /// The file or folder can't be read.
    #[error("{}: can't be read: {cause}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The file is none of the known kinds.
    #[error(
        "{}: expected boxes: a CSV file with the header file,x0,y0,x1,y1 or file,x0,y0,x1,y1,class, a JSON file of COCO, or a \
         folder of Pascal VOC's XML files", path.display()
    )]
    Kind {
        /// The file or folder.
        path: PathBuf,
    },
    /// Something in the file isn't as it should be.
    #[error("{place}: expected {expected}, found {found}")]
    Content {
        /// The file and the line, or the annotation.
        place: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl BoxesError {
    fn content(place: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Content { place: place.into(), expected: expected.into(), found: found.into() }
    }
}

/// Reads the boxes in a file or folder, in order. Its kind follows from its ending:
///
/// - `.csv`: a line for each box, under the header `file,x0,y0,x1,y1` or `file,x0,y0,x1,y1,class`, in any order; the
///   coordinates are those of the edges.
/// - `.json`: the `images`, `annotations` and `categories` of COCO, whose `bbox` is left, top, width, height.
/// - a folder: an XML file of Pascal VOC for each picture. Its corners are pixels that belong to the object, counted from 1:
///   `xmin` 1 and `xmax` 3 are the edges 0 and 3.
///
/// # Errors
/// If a file can't be read, or something in it isn't as it should be. The error names the file and the line or annotation.
pub fn open(path: impl AsRef<Path>) -> Result<Vec<Annotation>, BoxesError> {
    let path = path.as_ref();
    if path.is_dir() {
        return voc::read(path);
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let read = match ending.as_deref() {
        Some("csv") => csv::parse,
        Some("json") => coco::parse,
        _ => return Err(BoxesError::Kind { path: path.to_owned() }),
    };
    let text = fs::read(path).map_err(|cause| BoxesError::Read { path: path.to_owned(), cause })?;
    read(&text, &path.display().to_string())
}

/// Checks that a box has an area and finite edges.
fn checked(edges: [f64; 4], place: &str) -> Result<[f64; 4], BoxesError> {
    let [x0, y0, x1, y1] = edges;
    // NaN fails the comparisons.
    if x0 < x1 && y0 < y1 && edges.iter().all(|edge| edge.is_finite()) {
        return Ok(edges);
    }
    let found = format!("left {x0}, top {y0}, right {x1}, bottom {y1}");
    Err(BoxesError::content(place, "a box whose left and top edges are before its right and bottom edges", found))
}

#[cfg(test)]
mod tests;
