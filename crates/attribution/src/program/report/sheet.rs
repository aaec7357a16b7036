//! Sheets of panels: a picture and the methods' maps.

use attribution::Map;
use attribution::question::About;
use attribution::render::{Grid, Panel};
use image::RgbImage;

/// A panel with a map. The caption is the note, or the verdict if the map is not evidence.
pub(crate) fn panel(drawn: RgbImage, map: &Map, name: &str, note: String) -> Panel {
    let verdict = map.verdict();
    Panel::new(drawn, name).detail(if verdict.is_evidence() { note } else { verdict.to_string() })
}

/// A sheet without rows, with the legends of these methods' maps.
pub(crate) fn sheet<'a>(title: impl Into<String>, methods: impl Iterator<Item = &'a About>) -> Grid {
    let quantities = methods.map(|about| about.quantity);
    quantities.fold(Grid::new().title(title), |grid, quantity| grid.legend(quantity.palette(), quantity.ends()))
}
