//! The section of the report.

use attribution::LayerRef;
use attribution::render::Palette;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use ndarray::{Array2, ArrayView3};

use super::{Glance, Looked, OfClass};
use crate::program::files::picture::Picture;
use crate::program::report::{Column, Page, Row, Tile};
use crate::program::terminal::Failure;
use crate::program::terminal::words::count;

/// Number of pictures shown of a cluster, and of the best and the worst.
const SHOWN: usize = 3;
/// Limit on the classes shown.
const CLASSES: usize = 20;
/// Height of a picture on the page.
const HEIGHT: u32 = 96;

impl Glance {
    /// Adds the section to the report.
    pub(crate) fn show(&self, page: &mut Page, looked: &Looked<'_>) -> Result<(), Failure> {
        let suspected = |class: &&OfClass| self.shortcuts.iter().any(|suspect| suspect.class == class.class);
        let (first, others): (Vec<&OfClass>, Vec<&OfClass>) = self.classes.iter().partition(suspected);
        let rows: Vec<Row> =
            first.into_iter().chain(others).take(CLASSES).map(|class| row(class, looked)).collect::<Result<_, _>>()?;
        let over = if looked.truths.is_some() {
            "the objects’ boxes, which are its middle half"
        } else {
            "the whole picture"
        };
        let judged = if looked.truths.is_some() {
            "the share of the map on the object"
        } else {
            "the share of the probability that is left when only what the map keeps is seen"
        };
        let note = format!(
            "{} Maps of the true class ({}) for the pictures that are recognised. First the mean over {over}; then the clusters \
             of maps, each with some of its pictures; then the pictures explained best and worst: {judged}.",
            self.sentences().join(" "),
            self.title,
        );
        page.tiles("A set at a glance", "glance", &note, &rows);
        Ok(())
    }
}

fn row(class: &OfClass, looked: &Looked<'_>) -> Result<Row, Failure> {
    let OfClass { class: name, members, mean, ranked, .. } = class;
    let mut columns = Vec::new();
    if let Some(mean) = mean {
        let tiles = vec![Tile::new(&drawn(mean), format!("mean map of {name}"))?];
        columns.push(Column { tiles, caption: "mean".into() });
    }
    for (number, members) in (1..).zip(members) {
        let some = members.iter().take(SHOWN).map(|&index| explained(index, name, looked));
        let caption = format!("cluster {number}: {}", count(members.len(), "picture"));
        columns.push(Column { tiles: some.collect::<Result<_, _>>()?, caption });
    }
    let mut add = |what: &str, some: Vec<(usize, f64)>| -> Result<(), Failure> {
        let tiles = some.iter().map(|&(index, _)| explained(index, name, looked)).collect::<Result<Vec<_>, _>>()?;
        let shares: Vec<String> = some.iter().map(|(_, quality)| format!("{:.0} %", 100.0 * quality)).collect();
        columns.push(Column { tiles, caption: format!("{what}: {}", shares.join(", ")) });
        Ok(())
    };
    add("best", ranked.iter().rev().take(SHOWN).copied().collect())?;
    add("worst", ranked.iter().take(SHOWN).copied().collect())?;
    let pictures = count(members.iter().map(Vec::len).sum(), "picture");
    Ok(Row { heading: name.clone(), note: format!("{pictures}, {}", count(members.len(), "cluster")), columns })
}

/// A map in the colours of strengths.
fn drawn(map: &Array2<f32>) -> RgbImage {
    let most = map.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let (height, width) = map.dim();
    let colour = |x: u32, y: u32| Palette::Strength.color(map[[y as usize, x as usize]] / most);
    reduced(RgbImage::from_fn(width as u32, height as u32, colour))
}

/// A picture with its map over it.
fn explained(index: usize, name: &str, looked: &Looked<'_>) -> Result<Tile, Failure> {
    let [_, height, width, channels] = looked.images.shape();
    let pixels = ArrayView3::from_shape((height, width, channels), looked.images.image(index))?;
    let picture = Picture::from_pixels(pixels, looked.model)?;
    let pass = picture.observe(looked.model)?;
    let layers = if looked.layers.is_empty() { &[LayerRef::Last][..] } else { looked.layers };
    let question = pass.why(looked.images.labels()[index]).at_each(layers.iter().copied());
    let map = question.explain(&*looked.method.method)?;
    Tile::new(&reduced(picture.draw(&map, map.scale())), format!("picture {index}, {name}, with its map"))
}

fn reduced(picture: RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    if height <= HEIGHT {
        picture
    } else {
        resize(&picture, (width * HEIGHT / height).max(1), HEIGHT, FilterType::Triangle)
    }
}
