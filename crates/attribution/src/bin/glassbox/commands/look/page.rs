//! The report.

use std::path::PathBuf;

use attribution::render::deviation;
use attribution::units::{Filters, first_filters};
use nn::Model;

use super::LookArgs;
use super::results::Results;
use super::seen::{Driven, Seen, colours};
use crate::report::{Column, Page, Row, Tile};
use crate::terminal::Failure;
use crate::terminal::words::count;

const FILTERS: &str = "The weights of each channel: grey is 0. The window of the picture that drives it most looks like the \
    filter itself.";
const FEATURES: &str = "What each channel gives over the first picture: dark is 0 or less, bright its largest value.";
const DRIVEN: &str = "The pictures that drive each channel most, strongest first, cut to what the unit sees of them. Below each: \
    which pixels the unit reacts to there; grey is none. Last, a picture that was made from noise to drive the channel.";
const MADE: &str = "Pictures that were made from noise to raise the score.";

/// Writes the page; takes the pictures out of what was found.
pub(super) fn write(
    args: &LookArgs,
    network: &str,
    model: &Model,
    seen: &mut Seen,
    results: &mut Results,
) -> Result<PathBuf, Failure> {
    let pictures = match seen.pictures.len() {
        0 => "none".into(),
        count => count.to_string(),
    };
    let facts = vec![("Network", network.to_string()), ("Pictures", pictures)];
    let mut page = Page::new("look", "What the network's units look for", facts, 0);
    page.tiles("First layer", "filters", FILTERS, &filters(model)?);
    let of_first = seen.pictures.first().map(|_| format!("{FEATURES} It is {}.", seen.name(0)));
    page.tiles("Feature maps", "features", &of_first.unwrap_or_default(), &std::mem::take(&mut seen.features));
    let rows: Vec<Row> = results
        .driven
        .iter_mut()
        .map(|(driven, made)| {
            let mut columns: Vec<Column> = driven.places.iter_mut().filter_map(|place| place.column.take()).collect();
            columns.extend(made.as_mut().and_then(|made| made.column.take()));
            Row { heading: driven.unit.to_string(), note: note(driven, seen), columns }
        })
        .collect();
    page.tiles("Channels", "channels", DRIVEN, &rows);
    let made = results.others.iter_mut().map(|(name, made)| {
        let columns = made.as_mut().and_then(|made| made.column.take()).into_iter().collect();
        Row { heading: name.clone(), note: String::new(), columns }
    });
    page.tiles("Made for a target", "made", MADE, &made.collect::<Vec<_>>());
    page.write(&args.out)
}

/// What a unit sees, and whether a picture drives it.
fn note(driven: &Driven, seen: &Seen) -> String {
    let sees = match driven.field {
        Some([rows, columns]) => format!("A cell sees {rows} × {columns} pixels of the input."),
        None => "A cell sees the whole picture.".into(),
    };
    match (&driven.places[..], seen.pictures.len()) {
        ([], there) if there > 0 => format!("{sees} None of {} drives it.", count(there, "picture")),
        _ => sees,
    }
}

/// The filters of the first layer, if it is a convolution.
fn filters(model: &Model) -> Result<Vec<Row>, Failure> {
    let Some(Filters { layer, filters }) = first_filters(model) else { return Ok(Vec::new()) };
    let column = |(channel, filter): (usize, &ndarray::Array3<f32>)| {
        let drawn = deviation(colours(filter.view(), model).view());
        let tile = Tile::new(&drawn, format!("filter of {layer}:{channel}"))?;
        Ok(Column { tiles: vec![tile], caption: channel.to_string() })
    };
    let columns = filters.iter().enumerate().map(column).collect::<Result<_, Failure>>()?;
    let (kh, kw, _) = filters.first().map_or((0, 0, 0), ndarray::Array3::dim);
    let note = format!("{} of {kh} × {kw} pixels", count(filters.len(), "filter"));
    Ok(vec![Row { heading: layer, note, columns }])
}
