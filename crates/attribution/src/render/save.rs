//! Pictures as files.

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use nn::files::write_whole;

/// A picture couldn't be written. No partial file is left behind.
#[derive(Debug, thiserror::Error)]
#[error("{}: can't be written: {error}", path.display())]
pub struct SaveError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

/// Writes the picture as PNG. The write is atomic.
///
/// # Errors
///
/// If the system refuses, or the picture has no pixels.
pub fn save_png(path: impl AsRef<Path>, picture: &RgbImage) -> Result<(), SaveError> {
    let path = path.as_ref();
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(io::Error::other)
        .and_then(|()| write_whole(path, &bytes.into_inner()))
        .map_err(|error| SaveError { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_whole_or_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let picture = RgbImage::from_fn(5, 3, |x, y| [x as u8, y as u8, 200].into());
        let path = folder.path().join("map.png");
        save_png(&path, &picture).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), picture);
        let error = save_png("nowhere/map.png", &picture).unwrap_err().to_string();
        assert!(error.starts_with("nowhere/map.png: can't be written"), "{error}");
        assert!(save_png(folder.path().join("empty.png"), &RgbImage::new(0, 0)).is_err());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
