//! Pictures from files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use super::{Photo, jpeg};
use crate::FileKind;

/// Limit on the number of pixels: larger pictures are refused before they are decoded.
pub const MAX_PIXELS: u64 = 1 << 26;

/// Limit on the number of pixels for each byte of the file, for pictures with more than [`SMALL`] pixels. A blank bilevel PNG
/// comes close to it; a file that announces more is made to exhaust memory.
const MAX_PIXELS_PER_BYTE: u64 = 1 << 13;

/// Number of pixels that a file of any length may announce.
const SMALL: u64 = 1 << 20;

/// Why a file can't be read as a picture, or a picture can't be a model's input. The text contains that of the cause, which
/// [`source`](std::error::Error::source) therefore doesn't return.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhotoError {
    /// The file can't be opened or read.
    #[error("{}: can't be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The file's content, whatever its name, isn't a picture of a known format.
    #[error("{}: expected a PNG, JPEG, WebP, GIF, BMP or TIFF picture, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What its first bytes are.
        found: FileKind,
    },
    /// The picture is damaged, cut off, or of a kind of its format that isn't read.
    #[error("{}: a {} picture that can't be decoded: {cause}", path.display(), format!("{format:?}").to_uppercase())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: ImageFormat,
        /// The decoder's error.
        cause: ImageError,
    },
    /// The picture has no pixels, or more than [`MAX_PIXELS`].
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
    /// A number of channels other than 1 or 3.
    #[error("a picture has 1 channel (grey) or 3 (red, green, blue), the model expects {expected}")]
    Channels {
        /// The number of channels of the model's input.
        expected: usize,
    },
}

impl Photo {
    /// Opens a PNG, JPEG, WebP, GIF, BMP or TIFF file; of several frames or pages, the first.
    ///
    /// Transparent pixels are blended with white, 16-bit channels are reduced to 8 bits, and the EXIF orientation is applied.
    /// Grey files have one channel, all others three.
    ///
    /// # Errors
    ///
    /// If the file can't be read, isn't such a picture, is damaged or cut off, or is too large.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PhotoError> {
        let path = path.as_ref();
        match File::open(path) {
            Ok(file) => Self::read(BufReader::new(file), path),
            Err(cause) => Err(PhotoError::Read { path: path.to_owned(), cause }),
        }
    }

    /// As [`open`](Self::open), from a reader; errors name it `path`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn read(mut reader: impl BufRead + Seek, path: impl AsRef<Path>) -> Result<Self, PhotoError> {
        Self::decode(&mut reader, path.as_ref())
    }

    /// Not generic over the reader: the decoders are compiled once.
    fn decode(mut reader: &mut dyn Readable, path: &Path) -> Result<Self, PhotoError> {
        let unreadable = |cause| PhotoError::Read { path: path.to_owned(), cause };
        let length = reader.seek(SeekFrom::End(0)).map_err(unreadable)?;
        reader.rewind().map_err(unreadable)?;
        let mut start = Vec::new();
        (&mut reader).take(100).read_to_end(&mut start).map_err(unreadable)?;
        reader.rewind().map_err(unreadable)?;
        let foreign = || PhotoError::Format { path: path.to_owned(), found: FileKind::of(&start) };
        let guessed = ImageReader::new(&mut reader).with_guessed_format().map_err(unreadable)?;
        let format = guessed.format().filter(ImageFormat::reading_enabled).ok_or_else(foreign)?;
        let failed = |cause| PhotoError::Damaged { path: path.to_owned(), format, cause };
        let mut decoder = guessed.into_decoder().map_err(failed)?;
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        if !(1..=MAX_PIXELS).contains(&pixels) {
            return Err(PhotoError::Size { path: path.to_owned(), height, width });
        }
        if !can_hold(length, pixels) {
            return Err(PhotoError::Announced { path: path.to_owned(), length, height, width });
        }
        let orientation = decoder.orientation().map_err(failed)?;
        let mut image = match format {
            ImageFormat::Jpeg => {
                drop(decoder);
                let mut file = Vec::new();
                reader.rewind().and_then(|()| reader.read_to_end(&mut file)).map_err(unreadable)?;
                jpeg::decode(&file).map_err(failed)?
            }
            _ => DynamicImage::from_decoder(decoder).map_err(failed)?,
        };
        image.apply_orientation(orientation);
        Ok(Self { image: flatten(image) })
    }
}

/// What decoders read from.
trait Readable: BufRead + Seek {}

impl<R: BufRead + Seek> Readable for R {}

/// Whether a file of `length` bytes can hold this number of pixels.
pub(in crate::data) fn can_hold(length: u64, pixels: u64) -> bool {
    pixels <= SMALL.max(length.saturating_mul(MAX_PIXELS_PER_BYTE))
}

/// Converts to 8-bit grey or RGB, blending transparent pixels with white.
fn flatten(image: DynamicImage) -> DynamicImage {
    let over_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    match (image.color().has_color(), image.color().has_alpha()) {
        (false, false) => image.into_luma8().into(),
        (true, false) => image.into_rgb8().into(),
        (false, true) => {
            let image = image.into_luma_alpha8();
            let flat = |x, y| [over_white(image[(x, y)][0], image[(x, y)][1])].into();
            GrayImage::from_fn(image.width(), image.height(), flat).into()
        }
        (true, true) => {
            let image = image.into_rgba8();
            let flat = |x, y| {
                let [r, g, b, alpha] = image[(x, y)].0;
                [r, g, b].map(|value| over_white(value, alpha)).into()
            };
            RgbImage::from_fn(image.width(), image.height(), flat).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
    use ndarray::array;
    use proptest::prelude::*;

    const FORMATS: [ImageFormat; 6] =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff];

    fn saved(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = io::Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// Reads these bytes as a file whose extension isn't a picture's.
    fn open(bytes: &[u8]) -> Result<Photo, PhotoError> {
        Photo::read(io::Cursor::new(bytes), "coat.dat")
    }

    fn message(bytes: &[u8]) -> String {
        open(bytes).unwrap_err().to_string()
    }

    fn gradient() -> RgbImage {
        RgbImage::from_fn(40, 30, |x, y| Rgb([6 * x as u8, 8 * y as u8, (x * y) as u8]))
    }

    #[test]
    fn grey_stays_one_channel_and_colour_three() {
        let grey = GrayImage::from_fn(3, 2, |x, y| Luma([(10 * x + y) as u8]));
        let photo = open(&saved(grey, ImageFormat::Png)).unwrap();
        assert_eq!(photo.pixels(), array![[[0u8], [10], [20]], [[1], [11], [21]]]);
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff] {
            let photo = open(&saved(gradient(), format)).unwrap();
            assert_eq!((photo.height(), photo.width(), photo.channels()), (30, 40, 3));
            assert_eq!(photo.to_rgb(), gradient());
        }
    }

    #[test]
    fn transparent_pixels_are_blended_with_white() {
        let rgba = image::RgbaImage::from_fn(3, 1, |x, _| Rgba([200, 0, 100, [0, 255, 51][x as usize]]));
        let photo = open(&saved(rgba, ImageFormat::Png)).unwrap();
        // A fifth of the colour and four fifths of white.
        assert_eq!(photo.pixels(), array![[[255u8, 255, 255], [200, 0, 100], [244, 204, 224]]]);
        let grey = image::GrayAlphaImage::from_pixel(1, 1, LumaA([0, 51]));
        assert_eq!(open(&saved(grey, ImageFormat::Png)).unwrap().pixels(), array![[[204u8]]]);
    }

    /// A JPEG with an EXIF orientation, 1 to 8.
    fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        // A TIFF header, and one entry: tag 0x0112, a short.
        let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation, 0, 0, 0, 0, 0, 0][..]].concat();
        let exif = [b"Exif\0\0", &tiff[..]].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn the_orientation_is_applied() {
        let jpeg = saved(gradient(), ImageFormat::Jpeg);
        let flat = DynamicImage::from(open(&jpeg).unwrap().to_rgb());
        let upright = [
            flat.clone(),
            flat.fliph(),
            flat.rotate180(),
            flat.flipv(),
            flat.rotate90().fliph(),
            flat.rotate90(),
            flat.rotate270().fliph(),
            flat.rotate270(),
        ];
        for (orientation, expected) in (1..).zip(upright) {
            let photo = open(&oriented(&jpeg, orientation)).unwrap();
            assert_eq!(photo.to_rgb(), expected.into_rgb8(), "orientation {orientation}");
        }
        assert_eq!(open(&oriented(&jpeg, 6)).unwrap().height(), 40);
        assert_eq!(
            open(&oriented(&jpeg, 99)).unwrap().to_rgb(),
            flat.into_rgb8(),
            "not an orientation of the standard"
        );
    }

    #[test]
    fn the_first_frame_of_an_animation_is_taken() {
        let mut bytes = Vec::new();
        let frame = |value| image::Frame::new(image::RgbaImage::from_pixel(5, 4, Rgba([value, 0, 0, 255])));
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        encoder.encode_frames([frame(255), frame(0)]).unwrap();
        drop(encoder);
        let photo = open(&bytes).unwrap();
        assert_eq!((photo.height(), photo.width(), photo.to_rgb()[(2, 2)]), (4, 5, Rgb([255, 0, 0])));
    }

    #[test]
    fn sixteen_bits_become_eight() {
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            let deep = ImageBuffer::<Luma<u16>, _>::from_fn(3, 1, |x, _| Luma([[0, 0x8080, 0xFFFF][x as usize]]));
            assert_eq!(open(&saved(deep, format)).unwrap().pixels(), array![[[0u8], [128], [255]]]);
            let deep = ImageBuffer::<Rgb<u16>, _>::from_pixel(1, 1, Rgb([0, 0x8080, 0xFFFF]));
            assert_eq!(open(&saved(deep, format)).unwrap().pixels(), array![[[0u8, 128, 255]]]);
        }
    }

    /// Wherever a file ends too early, no pixel is invented: the picture is that of the whole file, or there is none.
    #[test]
    fn no_pixel_of_a_cut_file_is_invented() {
        let noise = |x: u32, y: u32, c: u32| (((x * 7919 + y * 10_473 + c * 31) * 2_654) >> 7) as u8;
        let photo = RgbImage::from_fn(70, 50, |x, y| Rgb([0, 1, 2].map(|c| noise(x, y, c))));
        for format in FORMATS {
            let bytes = saved(photo.clone(), format);
            let whole = open(&bytes).unwrap();
            let mut refused = 0;
            for length in (0..bytes.len()).rev().take(300).chain((0..bytes.len()).step_by(97)) {
                match open(&bytes[..length]) {
                    Ok(cut) => assert_eq!(cut, whole, "{format:?}, {length} of {} bytes", bytes.len()),
                    Err(_) => refused += 1,
                }
            }
            assert!(refused > 290, "{format:?}: {refused}");
        }
    }

    #[test]
    fn a_jpeg_that_is_cut_or_overwritten_is_damaged() {
        let bytes = saved(gradient(), ImageFormat::Jpeg);
        let (start, end) = (bytes.len() - 200, bytes.len() - 2);
        for length in [start, end, bytes.len() - 1] {
            assert!(message(&bytes[..length]).contains("a JPEG picture that can't be decoded"), "{length}");
            assert!(message(&bytes[..length]).ends_with("the file ends before the picture does"), "{length}");
        }
        // No code consists of ones alone (0xFF is followed by a 0 that isn't read), and no frame begins within another.
        for damage in [[0xFF, 0].repeat(20), vec![0xFF, 0xC0]] {
            let mut damaged = bytes.clone();
            damaged[start..start + damage.len()].copy_from_slice(&damage);
            assert!(matches!(open(&damaged), Err(PhotoError::Damaged { .. })), "{damage:?}");
        }
        // What follows the end of the picture is no part of it.
        let longer = [&bytes[..], &saved(gradient(), ImageFormat::Jpeg)[..50]].concat();
        assert_eq!(open(&longer).unwrap(), open(&bytes).unwrap());
    }

    #[test]
    fn foreign_and_damaged_files_are_told_apart() {
        let expected = "coat.dat: expected a PNG, JPEG, WebP, GIF, BMP or TIFF picture, found an empty file";
        assert!(message(b"").contains(expected));
        assert!(message(b"\x93NUMPY\x01\x00").ends_with("found a NumPy array"));
        for format in FORMATS {
            let bytes = saved(gradient(), format);
            assert!(open(&bytes).is_ok(), "{format:?}");
            for length in [bytes.len() / 2, 20] {
                let error = open(&bytes[..length]).unwrap_err();
                assert!(matches!(error, PhotoError::Damaged { .. }), "{format:?} {length}: {error}");
            }
        }
        let error = Photo::open("nowhere/coat.png").unwrap_err().to_string();
        assert!(error.starts_with("nowhere/coat.png: can't be read"), "{error}");
        assert!(matches!(Photo::open(std::env::temp_dir()), Err(PhotoError::Read { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn no_damage_panics(
            format in prop::sample::select(FORMATS.to_vec()),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            // Half of the cases damage the header only.
            to_header: bool,
        ) {
            let mut bytes = saved(gradient(), format);
            for (index, byte) in damage {
                let length = if to_header { bytes.len().min(100) } else { bytes.len() };
                bytes[index.index(length)] = byte;
            }
            // The result is a picture, or an error that names the file.
            if let Err(error) = open(&bytes) {
                prop_assert!(error.to_string().contains("coat.dat: "));
            }
        }
    }

    #[test]
    fn a_header_that_announces_too_much_is_refused_before_decoding() {
        // A BMP of 60000 × 60000 pixels in 60 bytes: width and height are at 18 and 22.
        let mut bytes = saved(gradient(), ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&60_000u32.to_le_bytes());
        bytes[22..26].copy_from_slice(&60_000u32.to_le_bytes());
        bytes.truncate(60);
        let error = message(&bytes);
        assert!(error.ends_with("expected 1 to 67108864 pixels, found 60000 × 60000"), "{error}");
    }

    #[test]
    fn a_small_file_that_announces_much_is_refused_before_decoding() {
        // 8192 × 8192 pixels are below the limit, but too many for 60 bytes.
        let mut bytes = saved(gradient(), ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&8192u32.to_le_bytes());
        bytes[22..26].copy_from_slice(&8192u32.to_le_bytes());
        bytes.truncate(60);
        assert!(message(&bytes).ends_with("60 bytes announce 8192 × 8192 pixels, more than they can hold"));
        // A blank page of 1600 × 1600 pixels has few bytes, but is a picture.
        let blank = GrayImage::from_pixel(1600, 1600, Luma([255]));
        assert_eq!(open(&saved(blank, ImageFormat::Png)).unwrap().height(), 1600);
    }
}
