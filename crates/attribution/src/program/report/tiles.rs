//! Sections of small pictures.

use image::RgbImage;
use maud::{Markup, html};

use super::entry::url;
use crate::program::terminal::Failure;

/// Pictures with a side up to this length are drawn with sharp pixels.
const SHARP: u32 = 64;

/// A small picture, encoded.
pub(crate) struct Tile {
    url: String,
    size: (u32, u32),
    /// A description for those who can't see it.
    alt: String,
}

/// Pictures below one another, with one caption.
pub(crate) struct Column {
    pub(crate) tiles: Vec<Tile>,
    pub(crate) caption: String,
}

/// Columns from left to right, under a heading and a sentence.
pub(crate) struct Row {
    pub(crate) heading: String,
    pub(crate) note: String,
    pub(crate) columns: Vec<Column>,
}

impl Tile {
    /// Small pictures are kept to the pixel, larger ones as JPEG.
    pub(crate) fn new(picture: &RgbImage, alt: String) -> Result<Self, Failure> {
        let (width, height) = picture.dimensions();
        Ok(Self { url: url(picture, width.max(height) <= SHARP)?, size: (width, height), alt })
    }

    fn markup(&self) -> Markup {
        let (width, height) = self.size;
        let is_sharp = width.max(height) <= SHARP;
        html! {
            img.sharp[is_sharp] src=(self.url) alt=(self.alt) width=(width) height=(height) loading="lazy" decoding="async";
        }
    }
}

/// The rows of a section, under a sentence on what they show.
pub(super) fn markup(note: &str, rows: &[Row]) -> Markup {
    html! {
        p.quiet { (note) }
        @for Row { heading, note, columns } in rows {
            h3 { (heading) }
            @if !note.is_empty() { p.quiet { (note) } }
            div.tiles {
                @for Column { tiles, caption } in columns {
                    figure { @for tile in tiles { (tile.markup()) } @if !caption.is_empty() { figcaption { (caption) } } }
                }
            }
        }
    }
}
