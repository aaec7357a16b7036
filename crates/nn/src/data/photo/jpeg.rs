//! JPEG pictures. A truncated file is an error.

use image::error::DecodingError;
use image::{DynamicImage, GrayImage, ImageError, ImageFormat, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The marker with which a picture ends (ITU-T T.81, table B.1).
const END: u8 = 0xD9;

/// Decodes a file as `image` does, in grey or RGB, but returns an error where `image` fills in grey: for pixels that are missing
/// because the file ends too early, or that can't be decompressed.
pub(super) fn decode(file: &[u8]) -> Result<DynamicImage, ImageError> {
    if !is_complete(file) {
        return Err(damaged("the file ends before the picture does"));
    }
    // Headers are read leniently: cameras write superfluous bytes between them.
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(damaged)?;
    let space = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space).set_strict_mode(true));
    let pixels = decoder.decode().map_err(damaged)?;
    let (width, height) = decoder.dimensions().expect("its headers are decoded");
    let (width, height) = (width as u32, height as u32);
    let image = match space {
        ColorSpace::Luma => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    image.ok_or_else(|| damaged("a number of bytes other than that of the pixels"))
}

fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::Decoding(DecodingError::new(ImageFormat::Jpeg.into(), cause))
}

/// Whether the marker at the end of the first picture is there. Thumbnails within other segments have markers of their own,
/// so segments are skipped by their lengths.
fn is_complete(file: &[u8]) -> bool {
    let mut rest = file.get(2..).unwrap_or_default();
    while let Some((marker, after)) = next_marker(rest) {
        match (marker, after) {
            (END, _) => return true,
            (_, &[high, low, ..]) => {
                rest = after.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default()
            }
            _ => return false,
        }
    }
    false
}

/// The next marker of a segment, and what follows it. In compressed pixels, 0xFF is followed by 0 or is a restart marker;
/// before a marker it may be repeated.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let is_marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF | 0xD0..=0xD7);
    let at = bytes.windows(2).position(is_marker)?;
    Some((bytes[at + 1], &bytes[at + 2..]))
}
