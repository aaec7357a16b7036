//! The pictures that activate each channel most, and their parts in its unit's receptive field.

use std::path::PathBuf;
use std::time::Instant;

use attribution::methods::Gradient;
use attribution::render::{Palette, deviation};
use attribution::units::{Peak, Strongest};
use attribution::{ExplainError, Pass, Target, Unit};
use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};
use ndarray::{Array3, ArrayView3, Axis};
use nn::Model;
use nn::data::{ChannelOrder, Rect};

use super::plan::{Plan, Planned};
use crate::program::commands::methods::Chosen;
use crate::program::files::picture::Picture;
use crate::program::report::{Column, Row, Tile};
use crate::program::terminal::progress::{bar, left};
use crate::program::terminal::{Failure, complain, interrupt};

/// Longer side of the parts of pictures on the page.
const PART: u32 = 128;
/// Limit on the feature maps shown of a layer.
const FEATURES: usize = 32;

/// The pictures, and the channels that they activate.
pub(super) struct Seen {
    /// The files that were looked at.
    pub(super) pictures: Vec<PathBuf>,
    /// The number of files of a folder that can't be read.
    pub(super) unreadable: usize,
    /// By layer.
    pub(super) strongest: Vec<Strongest<f32>>,
    /// The feature maps of the first picture, by layer.
    pub(super) features: Vec<Row>,
}

impl Seen {
    /// Looks at all pictures, until the user stops it. The strongest `most` of each channel are kept.
    pub(super) fn look(inputs: Vec<(PathBuf, bool)>, plan: &Plan, most: usize, model: &Model) -> Result<Self, Failure> {
        let strongest = plan.layers.iter().map(|planned| Strongest::new(&planned.layer, most)).collect();
        let mut seen = Self { pictures: Vec::new(), unreadable: 0, strongest, features: Vec::new() };
        let (count, started) = (inputs.len(), Instant::now());
        let bar = bar("looking", count);
        for (done, (path, found)) in (1..).zip(inputs) {
            let picture = match Picture::open(&path, model) {
                Err(failure) if found => {
                    bar.suspend(|| complain!("skipped: {failure}"));
                    seen.unreadable += 1;
                    continue;
                }
                picture => picture?,
            };
            let pass = picture.observe(model).map_err(|error| format!("{}: {error}", path.display()))?;
            for strongest in &mut seen.strongest {
                strongest.add(&pass)?;
            }
            if seen.pictures.is_empty() {
                seen.features = plan.layers.iter().map(|planned| features(planned, &pass)).collect::<Result<_, _>>()?;
            }
            seen.pictures.push(path);
            bar.set_position(done as u64);
            bar.set_message(format!("{done} of {count} pictures, {}", left(started, done, count)));
            if interrupt::asked() {
                break;
            }
        }
        bar.finish_and_clear();
        Ok(seen)
    }

    /// The file's name, without its folder.
    pub(super) fn name(&self, picture: usize) -> String {
        let path = &self.pictures[picture];
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }
}

/// A channel's values over a picture.
fn features(planned: &Planned, pass: &Pass<'_>) -> Result<Row, Failure> {
    let [height, width, channels] = planned.shape;
    let features = pass.features_at(&planned.layer)?;
    let features = ArrayView3::from_shape((height, width, channels), features.as_slice())?;
    let mut columns = Vec::new();
    for channel in 0..channels.min(FEATURES) {
        let values = features.index_axis(Axis(2), channel);
        let most = values.iter().copied().fold(0.0, f32::max);
        let colour = |x: u32, y: u32| match values[[y as usize, x as usize]] {
            value if value > 0.0 => Palette::Strength.color(value / most),
            _ => Palette::Strength.color(0.0),
        };
        let drawn = RgbImage::from_fn(width as u32, height as u32, colour);
        let alt = format!("feature map of {}:{channel}, at most {most:.3}", planned.layer);
        columns.push(Column { tiles: vec![Tile::new(&drawn, alt)?], caption: format!("{channel}: max {most:.2}") });
    }
    let which = if channels > FEATURES {
        format!("the first {FEATURES} of {channels} channels")
    } else {
        format!("{channels} channels")
    };
    Ok(Row { heading: planned.layer.clone(), note: format!("{height} × {width} cells, {which}"), columns })
}

/// A place in a picture that activates a channel.
pub(super) struct Place {
    pub(super) peak: Peak<f32>,
    /// The part of the input in its receptive field.
    pub(super) part: Rect,
    /// The part above its maps; `None` if the user stopped before.
    pub(super) column: Option<Column>,
    /// The methods of those maps.
    pub(super) maps: Vec<String>,
}

/// A channel, and the pictures that activate it most.
pub(super) struct Channel {
    pub(super) unit: Unit,
    /// The height and width of a cell's receptive field.
    pub(super) field: Option<[usize; 2]>,
    pub(super) places: Vec<Place>,
}

/// The channels of each layer that are shown. If none is asked for, the first `count` that a picture activates.
pub(super) fn channels(plan: &Plan, seen: &Seen, count: usize, input: [usize; 2]) -> Vec<Channel> {
    let mut found = Vec::new();
    for (planned, strongest) in plan.layers.iter().zip(&seen.strongest) {
        let all = 0..planned.shape[2];
        let peaks = |channel: usize| strongest.channels().get(channel).map_or(&[][..], Vec::as_slice);
        let chosen: Vec<usize> = match &planned.channels[..] {
            [] if seen.pictures.is_empty() => all.take(count).collect(),
            [] => all.filter(|&channel| !peaks(channel).is_empty()).take(count).collect(),
            asked => asked.to_vec(),
        };
        let [height, width] = input;
        let whole = Rect { top: 0, left: 0, height, width };
        let place = |&peak: &Peak<f32>| {
            let part = planned.cells.map_or(whole, |cells| cells.visible_part(peak.cell, input));
            Place { peak, part, column: None, maps: Vec::new() }
        };
        found.extend(chosen.into_iter().map(|channel| Channel {
            unit: Unit::new(&planned.layer, channel),
            field: planned.cells.map(|cells| cells.receptive_field()),
            places: peaks(channel).iter().map(place).collect(),
        }));
    }
    found
}

/// Cuts out and explains the units' receptive fields, picture by picture, until the user stops it.
pub(super) fn cut(channels: &mut [Channel], seen: &Seen, beside: &[Chosen], model: &Model) -> Result<(), Failure> {
    let mut places: Vec<(&Unit, &mut Place)> = Vec::new();
    for Channel { unit, places: of_unit, .. } in channels {
        places.extend(of_unit.iter_mut().map(|place| (&*unit, place)));
    }
    places.sort_by_key(|(_, place)| place.peak.picture);
    let (count, started, mut done) = (places.len(), Instant::now(), 0);
    let bar = bar("cutting", count);
    for places in places.chunk_by_mut(|a, b| a.1.peak.picture == b.1.peak.picture) {
        let picture = places[0].1.peak.picture;
        let opened = Picture::open(&seen.pictures[picture], model)?;
        let (pass, whole) = (opened.observe(model)?, opened.seen(model));
        for (unit, place) in places {
            if interrupt::asked() {
                bar.finish_and_clear();
                return Ok(());
            }
            let (column, maps) = column(unit, place, &seen.name(picture), &whole, &pass, beside)?;
            (place.column, place.maps) = (Some(column), maps);
            done += 1;
            bar.set_position(done as u64);
            bar.set_message(format!("{done} of {count} parts, {}", left(started, done, count)));
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// The part of a picture in a unit's receptive field above its maps, and the methods of those.
fn column(
    unit: &Unit,
    place: &Place,
    name: &str,
    picture: &RgbImage,
    pass: &Pass<'_>,
    beside: &[Chosen],
) -> Result<(Column, Vec<String>), Failure> {
    let Place { peak, part, .. } = place;
    let Rect { top, left, height, width } = *part;
    let cut = crop_imm(picture, left as u32, top as u32, width as u32, height as u32).to_image();
    let edges = format!("rows {top} to {}, columns {left} to {}", part.bottom(), part.right());
    let mut tiles = vec![Tile::new(&reduced(cut), format!("{name}, {edges}"))?];
    let question = pass.why(Target::unit(unit.clone().at(peak.cell)));
    let mut maps = Vec::new();
    for chosen in beside {
        match question.explain(&*chosen.method) {
            Ok(map) => maps.push((&*chosen.title, map)),
            // There is no ReLU between the unit and the picture: its reading is the gradient.
            Err(ExplainError::Rule(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if maps.is_empty() {
        maps.push(("gradient", question.explain(&Gradient)?));
    }
    let titles = maps.iter().map(|&(title, _)| title.into()).collect();
    for (title, map) in maps {
        let mut values = map.raw();
        values.slice_axis_inplace(Axis(0), (top..part.bottom()).into());
        values.slice_axis_inplace(Axis(1), (left..part.right()).into());
        let drawn = reduced(deviation(colours(values, pass.model()).view()));
        tiles.push(Tile::new(&drawn, format!("{title} of {unit} in {name}"))?);
    }
    Ok((Column { tiles, caption: format!("{name}: {:.3}", peak.value) }, titles))
}

/// Values `[h, w, C]` of the input, with the channels in the order of a picture's.
pub(super) fn colours(values: ArrayView3<'_, f32>, model: &Model) -> Array3<f32> {
    let mut values = values.to_owned();
    if model.info().normalization.as_ref().is_some_and(|known| known.order() == ChannelOrder::Bgr) {
        values.invert_axis(Axis(2));
    }
    values
}

/// The picture, with a longer side of at most [`PART`].
pub(super) fn reduced(picture: RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if longer <= PART {
        return picture;
    }
    let side = |side: u32| (side * PART / longer).max(1);
    resize(&picture, side(width), side(height), FilterType::Triangle)
}
