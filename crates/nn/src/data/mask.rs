//! Masks: pictures whose pixels are classes.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Transformations};
use thiserror::Error;

use super::photo::can_hold;
use super::{Crop, MAX_PIXELS, Rect};

/// The class of each pixel of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    height: usize,
    width: usize,
    classes: Vec<u8>,
}

/// Why a file can't be read as a mask. The text contains that of the cause.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The file can't be opened.
    #[error("{}: can't be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// Not a PNG picture, or a damaged one.
    #[error("{}: expected a mask as a PNG picture: {cause}", path.display())]
    Png {
        /// The file.
        path: PathBuf,
        /// The decoder's error.
        cause: DecodingError,
    },
    /// The picture has no pixels, or more than a photograph may have.
    #[error("{}: expected 1 to {MAX_PIXELS} pixels, found {height} × {width}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its height in pixels.
        height: u32,
        /// Its width in pixels.
        width: u32,
    },
    /// The header announces far more pixels than the file's bytes can hold.
    #[error("{}: {length} bytes announce {height} × {width} pixels, more than they can hold", path.display())]
    Announced {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// Its height in pixels.
        height: u32,
        /// Its width in pixels.
        width: u32,
    },
    /// Colours, which aren't numbers of classes.
    #[error(
        "{}: expected a mask with a palette or in grey, whose values are the numbers of the classes; found the colour \
         {colour:?}", path.display()
    )]
    Colour {
        /// The file.
        path: PathBuf,
        /// A colour in it.
        colour: [u8; 3],
    },
    /// 16 bits for each pixel.
    #[error("{}: expected a mask with at most 8 bits for each pixel, found 16", path.display())]
    Depth {
        /// The file.
        path: PathBuf,
    },
}

impl Mask {
    /// Opens a PNG file of at most 8 bits for each pixel. The class of a pixel is its number in the palette, or its grey value.
    /// An alpha channel is ignored.
    ///
    /// # Errors
    /// If the file can't be read, isn't such a picture, is damaged, or is too large.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MaskError> {
        let path = path.as_ref();
        let unreadable = |cause| MaskError::Read { path: path.to_owned(), cause };
        let damaged = |cause| MaskError::Png { path: path.to_owned(), cause };
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        // A row of the largest picture, and the decoder's own buffers.
        let limits = Limits { bytes: 1 << 28 };
        let mut decoder = Decoder::new_with_limits(BufReader::new(file), limits);
        decoder.set_transformations(Transformations::IDENTITY);
        let header = decoder.read_header_info().map_err(damaged)?;
        let (width, height, depth, colour) = (header.width, header.height, header.bit_depth, header.color_type);
        if !(1..=MAX_PIXELS).contains(&(u64::from(width) * u64::from(height))) {
            return Err(MaskError::Size { path: path.to_owned(), height, width });
        }
        if !can_hold(length, u64::from(width) * u64::from(height)) {
            return Err(MaskError::Announced { path: path.to_owned(), length, height, width });
        }
        if depth == BitDepth::Sixteen {
            return Err(MaskError::Depth { path: path.to_owned() });
        }
        let mut reader = decoder.read_info().map_err(damaged)?;
        let size =
            reader.output_buffer_size().ok_or_else(|| MaskError::Size { path: path.to_owned(), height, width })?;
        let mut bytes = vec![0; size];
        let frame = reader.next_frame(&mut bytes).map_err(damaged)?;
        let (height, width) = (height as usize, width as usize);
        let (bits, samples) = (depth as usize, colour.samples());
        let mut classes = Vec::with_capacity(height * width);
        for line in bytes.chunks_exact(frame.line_size).take(height) {
            for x in 0..width {
                let class = match colour {
                    ColorType::Rgb | ColorType::Rgba => {
                        let colour = [0, 1, 2].map(|k| line[x * samples + k]);
                        if colour[0] != colour[1] || colour[0] != colour[2] {
                            return Err(MaskError::Colour { path: path.to_owned(), colour });
                        }
                        colour[0]
                    }
                    // The first pixel is in the highest bits of a byte.
                    _ if bits < 8 => (line[x * bits / 8] >> (8 - bits - x * bits % 8)) & ((1 << bits) - 1),
                    _ => line[x * samples],
                };
                classes.push(class);
            }
        }
        Ok(Self { height, width, classes })
    }

    /// The height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of each pixel, `[H, W]` in row-major order.
    #[must_use]
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// Cuts out the part that `crop` takes of its picture, and resizes it to `[height, width]`: each pixel gets the class at its
    /// centre's place.
    ///
    /// # Panics
    /// If `height` or `width` is 0.
    #[must_use]
    pub fn fit(&self, height: usize, width: usize, crop: Crop) -> Self {
        let part = crop.part((self.height, self.width), (height, width));
        let Rect { top, left, .. } = part;
        // The pixel that (i + ½)·part/whole lies in.
        let place = |i: usize, part: usize, whole: usize| (2 * i + 1) * part / (2 * whole);
        let rows = (0..height).map(|y| top + place(y, part.height, height));
        let columns: Vec<usize> = (0..width).map(|x| left + place(x, part.width, width)).collect();
        let classes = rows.flat_map(|y| columns.iter().map(move |x| self.classes[y * self.width + x])).collect();
        Self { height, width, classes }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes a PNG file with these rows of bytes.
    pub(in super::super) fn save(path: &Path, size: [u32; 2], colour: ColorType, depth: BitDepth, bytes: &[u8]) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), size[1], size[0]);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette([[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 9, 9]].concat());
        }
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
    }

    #[test]
    fn palettes_and_greys_of_every_depth_are_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let expected = [0, 1, 2, 3, 0, 1, 1, 0, 3, 2];
        let bytes = |bits: usize| -> Vec<u8> {
            let pack = |row: &[u8]| {
                let mut line = vec![0; (row.len() * bits).div_ceil(8)];
                for (x, class) in row.iter().enumerate() {
                    line[x * bits / 8] |= class << (8 - bits - x * bits % 8);
                }
                line
            };
            expected.chunks(5).flat_map(pack).collect()
        };
        for colour in [ColorType::Indexed, ColorType::Grayscale] {
            for (depth, bits) in [(BitDepth::Two, 2), (BitDepth::Four, 4), (BitDepth::Eight, 8)] {
                save(&path, [2, 5], colour, depth, &bytes(bits));
                let mask = Mask::open(&path).unwrap();
                assert_eq!((mask.height(), mask.width(), mask.classes()), (2, 5, &expected[..]), "{colour:?} {bits}");
            }
        }
        save(&path, [1, 9], ColorType::Grayscale, BitDepth::One, &[0b1010_0000, 0b1000_0000]);
        assert_eq!(Mask::open(&path).unwrap().classes(), [1, 0, 1, 0, 0, 0, 0, 0, 1]);
        save(&path, [1, 2], ColorType::Rgba, BitDepth::Eight, &[7, 7, 7, 255, 3, 3, 3, 0]);
        assert_eq!(Mask::open(&path).unwrap().classes(), [7, 3]);
    }

    #[test]
    fn a_mask_is_cut_like_its_picture() {
        let mask = Mask { height: 2, width: 6, classes: vec![9, 9, 1, 2, 9, 9, 9, 9, 3, 4, 9, 9] };
        let expected = [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4];
        assert_eq!(mask.fit(4, 4, Crop::Largest).classes(), expected);
        assert_eq!(mask.fit(2, 6, Crop::Squeezed), mask);
    }

    #[test]
    fn what_is_no_mask_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let message = || Mask::open(&path).unwrap_err().to_string();
        assert!(message().contains("mask.png: can't be read"));
        std::fs::write(&path, b"no picture").unwrap();
        assert!(message().contains("expected a mask as a PNG picture"), "{}", message());
        save(&path, [1, 2], ColorType::Rgb, BitDepth::Eight, &[7, 7, 7, 255, 3, 3]);
        assert!(message().contains("found the colour [255, 3, 3]"), "{}", message());
        save(&path, [1, 1], ColorType::Grayscale, BitDepth::Sixteen, &[0, 1]);
        assert!(message().contains("at most 8 bits for each pixel, found 16"), "{}", message());
        save(&path, [1, 2], ColorType::Grayscale, BitDepth::Eight, &[0, 1]);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() - 12 {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Mask::open(&path).is_err(), "{length} bytes");
        }
    }
}
