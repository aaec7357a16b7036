//! Panels of a sheet: a picture, and what a method says of it.

use attribution::render::{Colormap, Grid, Legend, Panel, enlarge};
use nn::data::Rect;

use crate::method::Map;
use crate::picture::Picture;

/// The picture alone, with the true box if it is known.
pub(crate) fn input(picture: &Picture, truth: Option<&Rect>, name: impl Into<String>) -> Panel {
    let panel = picture.shown.clone();
    Panel::new(truth.map_or_else(|| panel.clone(), |truth| picture.outlined(panel.clone(), truth)), name)
}

/// What a method says of the picture; in words, where there is nothing to show.
pub(crate) fn explained(picture: &Picture, map: &Map, truth: Option<&Rect>, name: impl Into<String>) -> Panel {
    let panel = enlarge(&map.draw(picture));
    let (panel, measured) = match truth {
        None => (panel, String::new()),
        Some(truth) => {
            let (hit, overlap) = map.measure(truth);
            let pointing = if hit { "points at it" } else { "points elsewhere" };
            (picture.outlined(panel, truth), format!("{pointing}, IoU {overlap:.2}"))
        }
    };
    let detail = if map.verdict().is_evidence() { measured } else { map.verdict().to_string() };
    Panel::new(panel, name).detail(detail)
}

/// A sheet without rows, with the legends of both kinds of map.
pub(crate) fn sheet(title: impl Into<String>) -> Grid {
    Grid::new().title(title).legend(Legend::Strength(Colormap::default())).legend(Legend::Signed)
}
