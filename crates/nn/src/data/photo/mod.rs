//! Pictures: decoding, cropping and resizing.

mod jpeg;
mod read;

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, RgbImage};
use ndarray::ArrayView3;

pub(in crate::data) use read::can_hold;
pub use read::{MAX_PIXELS, PhotoError};

use super::{Crop, Rect};

/// A picture with 8 bits per channel, grey or RGB.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// `ImageLuma8` or `ImageRgb8`, with at least one pixel.
    image: DynamicImage,
}

impl Photo {
    /// The picture with these pixels, `[H, W, 1]` or `[H, W, 3]`.
    ///
    /// # Panics
    ///
    /// If the number of channels isn't 1 or 3, or there are no pixels.
    #[must_use]
    pub fn from_pixels(pixels: ArrayView3<u8>) -> Self {
        let (height, width, channels) = pixels.dim();
        assert!(height * width > 0, "a picture needs pixels, found [{height}, {width}, {channels}]");
        let bytes = pixels.iter().copied().collect();
        let (w, h) = (width as u32, height as u32);
        let image = match channels {
            1 => GrayImage::from_raw(w, h, bytes).map(DynamicImage::ImageLuma8),
            3 => RgbImage::from_raw(w, h, bytes).map(DynamicImage::ImageRgb8),
            _ => panic!("a picture has 1 or 3 channels, found [{height}, {width}, {channels}]"),
        };
        Self { image: image.expect("as many bytes as pixels times channels") }
    }

    /// The height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.image.height() as usize
    }

    /// The width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.image.width() as usize
    }

    /// The number of channels, 1 or 3.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.image.color().channel_count().into()
    }

    /// The pixels, `[H, W, C]`.
    #[must_use]
    pub fn pixels(&self) -> ArrayView3<'_, u8> {
        let shape = (self.height(), self.width(), self.channels());
        ArrayView3::from_shape(shape, self.image.as_bytes()).expect("one byte per channel")
    }

    /// A copy in RGB.
    #[must_use]
    pub fn to_rgb(&self) -> RgbImage {
        self.image.to_rgb8()
    }

    /// Converts to 1 channel (luma of ITU-R BT.601, (299 R + 587 G + 114 B) / 1000, rounded) or to 3 (R = G = B for a grey
    /// picture).
    ///
    /// # Errors
    ///
    /// [`PhotoError::Channels`] for any other number of channels.
    pub fn with_channels(&self, channels: usize) -> Result<Self, PhotoError> {
        match (channels, &self.image) {
            (1, DynamicImage::ImageRgb8(rgb)) => {
                let luma = |[r, g, b]: [u32; 3]| ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8;
                let grey =
                    GrayImage::from_fn(rgb.width(), rgb.height(), |x, y| [luma(rgb[(x, y)].0.map(u32::from))].into());
                Ok(Self { image: grey.into() })
            }
            (1, _) => Ok(self.clone()),
            (3, _) => Ok(Self { image: self.to_rgb().into() }),
            (expected, _) => Err(PhotoError::Channels { expected }),
        }
    }

    /// Cuts out the part given by `crop` and resizes it to `[height, width]` with a triangle filter: bilinear when it enlarges,
    /// averaging over areas when it shrinks.
    ///
    /// # Panics
    ///
    /// If `height` or `width` is 0.
    #[must_use]
    pub fn fit(&self, height: usize, width: usize, crop: Crop) -> Self {
        let Rect { top, left, height: rows, width: columns } =
            crop.part((self.height(), self.width()), (height, width));
        let part = self.image.crop_imm(left as u32, top as u32, columns as u32, rows as u32);
        let image = if (rows, columns) == (height, width) {
            part
        } else {
            part.resize_exact(width as u32, height as u32, FilterType::Triangle)
        };
        Self { image }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use ndarray::{Array3, array};

    #[test]
    fn channels_are_converted() {
        let colours = array![[[255u8, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [9, 9, 9]]];
        let photo = Photo::from_pixels(colours.view());
        let grey = photo.with_channels(1).unwrap();
        assert_eq!(grey.pixels(), array![[[76u8], [150], [29], [255], [9]]]);
        assert_eq!(grey.with_channels(3).unwrap().to_rgb()[(4, 0)], Rgb([9, 9, 9]));
        assert_eq!(photo.with_channels(3).unwrap(), photo);
        assert_eq!(grey.with_channels(1).unwrap(), grey);
        assert!(photo.with_channels(4).unwrap_err().to_string().ends_with("the model expects 4"));
    }

    #[test]
    fn the_middle_of_a_wide_picture_is_taken() {
        let pixels = Array3::from_shape_fn((4, 10, 1), |(y, x, _)| (10 * y + x) as u8);
        let photo = Photo::from_pixels(pixels.view());
        let middle = photo.fit(4, 4, Crop::Largest);
        assert_eq!(middle.pixels(), Array3::from_shape_fn((4, 4, 1), |(y, x, _)| pixels[[y, x + 3, 0]]));
        let small = photo.fit(2, 2, Crop::Largest);
        assert_eq!((small.height(), small.width()), (2, 2));
    }

    #[test]
    fn a_constant_stays_constant_when_resized() {
        let photo = Photo::from_pixels(Array3::from_elem((17, 23, 3), 77).view());
        assert!(photo.fit(40, 40, Crop::Largest).pixels().iter().all(|&v| v == 77));
        assert!(photo.fit(5, 3, Crop::Largest).pixels().iter().all(|&v| v == 77));
    }

    #[test]
    #[should_panic(expected = "found [2, 2, 2]")]
    fn two_channels_panic() {
        let _ = Photo::from_pixels(Array3::zeros((2, 2, 2)).view());
    }
}
