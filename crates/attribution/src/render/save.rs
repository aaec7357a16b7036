//! Pictures as files.

use std::io;
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ImageBuffer, ImageResult, Pixel, PixelWithColorType};
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
pub fn save_png<P: Pixel<Subpixel = u8> + PixelWithColorType>(
    path: impl AsRef<Path>,
    picture: &ImageBuffer<P, Vec<u8>>,
) -> Result<(), SaveError> {
    let path = path.as_ref();
    encode_png(picture)
        .map_err(io::Error::other)
        .and_then(|bytes| write_whole(path, &bytes))
        .map_err(|error| SaveError { path: path.to_owned(), error })
}

/// The bytes of a PNG file of the picture.
///
/// # Errors
///
/// If the picture has no pixels.
pub fn encode_png<P: Pixel<Subpixel = u8> + PixelWithColorType>(
    picture: &ImageBuffer<P, Vec<u8>>,
) -> ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(PngEncoder::new(&mut bytes))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;

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
