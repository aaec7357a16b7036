//! The report.

use std::path::PathBuf;

use attribution::render::deviation;
use attribution::units::{Filters, first_filters};
use nn::Model;

use super::LookArgs;
use super::results::Results;
use super::seen::{Channel, Seen, colours};
use crate::program::report::{Column, Page, Row, Tile};
use crate::program::terminal::Failure;
use crate::program::terminal::words::count;

const FILTERS: &str = "The weights of each channel; grey is 0. Among windows of equal strength, the one that looks like the \
    filter activates it most.";
const FEATURES: &str =
    "The output of each channel for one picture: dark is 0 or less, bright is the channel’s maximum.";
const ACTIVATING: &str = "The pictures that activate each channel most, strongest first, cut to the unit’s receptive field. The \
    maps below a picture show which of its pixels the unit reacts to; grey is none. The last picture is made from noise to \
    activate the channel. The number is the value of the strongest cell.";
const MADE: &str = "Pictures made from noise to raise the score, which is below.";

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
    let mut page = Page::new("look", "What the network’s units look for", facts, 0);
    page.tiles("First layer", "filters", FILTERS, &filters(model)?);
    let of_first = seen.pictures.first().map(|_| format!("{FEATURES} The picture is {}.", seen.name(0)));
    page.tiles("Feature maps", "features", &of_first.unwrap_or_default(), &std::mem::take(&mut seen.features));
    let rows: Vec<Row> = results
        .channels
        .iter_mut()
        .map(|(channel, made)| {
            let mut columns: Vec<Column> = channel.places.iter_mut().filter_map(|place| place.column.take()).collect();
            columns.extend(made.as_mut().and_then(|made| made.column.take()));
            Row { heading: channel.unit.to_string(), note: note(channel, seen), columns }
        })
        .collect();
    page.tiles("Channels", "channels", ACTIVATING, &rows);
    let made = results.others.iter_mut().map(|(name, made)| {
        let columns = made.as_mut().and_then(|made| made.column.take()).into_iter().collect();
        Row { heading: name.clone(), note: String::new(), columns }
    });
    page.tiles("Made for a target", "made", MADE, &made.collect::<Vec<_>>());
    page.write(&args.out)
}

/// A channel's receptive field, whether a picture activates it, and the maps below the pictures.
fn note(channel: &Channel, seen: &Seen) -> String {
    let mut note = match channel.field {
        Some([rows, columns]) => format!("The receptive field is {rows} × {columns} pixels of the input."),
        None => "The receptive field is the whole picture.".into(),
    };
    match (&channel.places[..], seen.pictures.len()) {
        ([], there) if there > 0 => note += &format!(" None of {} activates the channel.", count(there, "picture")),
        ([place, ..], _) if !place.maps.is_empty() => {
            note += &format!(" Below each picture: {}.", place.maps.join(", then "));
        }
        _ => {}
    }
    note
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
