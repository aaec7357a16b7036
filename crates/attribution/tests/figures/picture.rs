//! Pictures within a drawing.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use ndarray::ArrayView2;

use super::drawing::{Drawing, at, sheet};

/// A picture whose pixels are squares of `zoom` pixels.
pub(crate) fn picture(image: impl Into<DynamicImage>, zoom: f64) -> Drawing {
    let image = image.into();
    let [width, height] = [image.width(), image.height()].map(|extent| f64::from(extent) * zoom);
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).unwrap();
    let mut drawn = sheet(width, height);
    drawn.svg = format!(
        "<image width=\"{}\" height=\"{}\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
        at(width),
        at(height),
        STANDARD.encode(png.into_inner())
    );
    drawn.outlined([0.0, 0.0], [width, height], "currentColor", 0.5)
}

/// A map: orange where it is positive, blue where it is negative, the stronger, the larger; clear where it is zero.
pub(crate) fn heat(map: ArrayView2<'_, f64>, zoom: f64) -> Drawing {
    let full = map.iter().fold(0.0, |full: f64, value| full.max(value.abs()));
    let (height, width) = map.dim();
    let pixel = |x: u32, y: u32| {
        let share = if full > 0.0 { map[[y as usize, x as usize]] / full } else { 0.0 };
        let [red, green, blue] = if share < 0.0 { [0x3b, 0x82, 0xd0] } else { [0xd9, 0x66, 0x1f] };
        Rgba([red, green, blue, (share.abs() * 255.0).round() as u8])
    };
    picture(RgbaImage::from_fn(width as u32, height as u32, pixel), zoom)
}
