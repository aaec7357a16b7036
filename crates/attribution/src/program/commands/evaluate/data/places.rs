//! Boxes of the objects.

use std::path::Path;

use attribution::map::Framing;
use attribution::measures::Truth;
use nn::Model;
use nn::data::boxes;

use super::matching::Matching;
use super::pictures::{Listed, Pictures};
use crate::program::terminal::Failure;

/// Number of pixels by which a box may extend beyond its picture, since programs round differently.
const TOLERANCE: f64 = 1.0;

/// The boxes of the objects of each picture's own class, and of objects without a class, in pixels of the network's input.
pub(super) fn read(
    path: &Path,
    matching: &Matching,
    listed: &[Listed],
    pictures: &Pictures,
    model: &Model,
) -> Result<Vec<Option<Truth>>, Failure> {
    let ([height, width, _], crop) = (model.input_shape(), model.info().crop);
    let mut places = vec![None; listed.len()];
    for (&index, slot) in pictures.chosen.iter().zip(0..) {
        places[index] = Some(slot);
    }
    let mut found = vec![Vec::new(); pictures.chosen.len()];
    for annotation in boxes::open(path)? {
        let place = &annotation.place;
        let index = matching.find(&annotation.picture).map_err(|error| format!("{place}: {error}"))?;
        let class = annotation.class.as_ref().map(|class| model.class_index(class)).transpose();
        let class = class.map_err(|error| format!("{place}: {error}"))?;
        let Some(slot) = places[index] else { continue };
        let (rows, columns) = pictures.sizes[slot];
        let [x0, y0, x1, y1] = annotation.edges;
        let outside = x0.min(y0) < -TOLERANCE || x1 > columns as f64 + TOLERANCE || y1 > rows as f64 + TOLERANCE;
        let resized = annotation.size.is_some_and(|size| size != (rows, columns));
        if outside || resized {
            let (what, found) = match annotation.size.filter(|_| resized) {
                Some((height, width)) => ("the size of", format!("{height} × {width}")),
                None => ("a box within", format!("left {x0}, top {y0}, right {x1}, bottom {y1}")),
            };
            let name = listed[index].path.display();
            return Err(format!("{place}: expected {what} {name}, {rows} × {columns}, found {found}").into());
        }
        if class.is_none_or(|class| class == listed[index].label) {
            let framing = Framing::new((rows, columns), (height, width), crop);
            found[slot].extend(framing.box_on_input([x0, y0, x1, y1]));
        }
    }
    Ok(found.into_iter().map(|boxes| (!boxes.is_empty()).then_some(Truth::Boxes(boxes))).collect())
}
