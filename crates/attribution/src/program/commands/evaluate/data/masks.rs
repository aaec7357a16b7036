//! Masks of the objects.

use std::path::Path;

use attribution::map::Framing;
use attribution::measures::Truth;
use ndarray::Array2;
use nn::Model;
use nn::data::Photo;

use super::matching::Matching;
use super::pictures::Pictures;
use crate::program::files::folder::files;
use crate::program::terminal::Failure;

/// The masks of a folder, in pixels of the network's input. A mask is called like its picture, apart from the ending, and is as
/// large. Its pixels that aren't black belong to the object.
pub(super) fn read(
    folder: &Path,
    matching: &Matching,
    pictures: &Pictures,
    model: &Model,
) -> Result<Vec<Option<Truth>>, Failure> {
    let files = files(folder)?;
    if files.is_empty() {
        return Err(format!("{}: expected a mask for each picture, found no files", folder.display()).into());
    }
    let mut truths = vec![None; pictures.chosen.len()];
    for file in files {
        let stem = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
        let index = matching.find(&stem).map_err(|error| format!("{}: {error}", file.display()))?;
        let Some(slot) = pictures.chosen.iter().position(|&chosen| chosen == index) else { continue };
        truths[slot] = mask(&file, pictures.sizes[slot], model)?;
    }
    Ok(truths)
}

fn mask(file: &Path, size: (usize, usize), model: &Model) -> Result<Option<Truth>, Failure> {
    let photo = Photo::open(file)?;
    let found = (photo.height(), photo.width());
    if found != size {
        let ((rows, columns), (height, width)) = (size, found);
        let file = file.display();
        return Err(
            format!("{file}: expected the size of its picture, {rows} × {columns}, found {height} × {width}").into()
        );
    }
    let [height, width, _] = model.input_shape();
    let framing = Framing::new(size, (height, width), model.info().crop);
    let pixels = photo.pixels();
    let at = |axis: usize, pixel: usize| framing.to_picture(axis, pixel as f64 + 0.5) as usize;
    let inside = |(y, x): (usize, usize)| {
        let (row, column) = (at(0, y).min(size.0 - 1), at(1, x).min(size.1 - 1));
        (0..photo.channels()).any(|channel| pixels[[row, column, channel]] != 0)
    };
    let mask = Array2::from_shape_fn((height, width), inside);
    Ok(mask.iter().any(|&inside| inside).then_some(Truth::Mask(mask)))
}
