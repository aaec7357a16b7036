//! Sheets of panels: a picture, and what the methods say of it.

use attribution::render::{Colormap, Grid, Legend, Panel};
use image::RgbImage;

use crate::method::{Map, Method};

/// A map that was drawn, with a note below; in words instead, where there is nothing to show.
pub(crate) fn explained(drawn: RgbImage, map: &Map, name: &str, note: String) -> Panel {
    let verdict = map.verdict();
    Panel::new(drawn, name).detail(if verdict.is_evidence() { note } else { verdict.to_string() })
}

/// A sheet without rows, with the legends of these methods' maps.
pub(crate) fn sheet(title: impl Into<String>, methods: &[Method]) -> Grid {
    let mut grid = Grid::new().title(title);
    if !methods.iter().all(|method| method.is_signed()) {
        grid = grid.legend(Legend::Strength(Colormap::default()));
    }
    if methods.iter().any(|method| method.is_signed()) {
        grid = grid.legend(Legend::Signed);
    }
    grid
}
