//! Maps that were made elsewhere.

use std::path::Path;

use attribution::map::{Alignment, upsample};
use attribution::npy::read_npy_map;
use ndarray::Array2;
use nn::Model;

use super::data::{Listed, Matching, Pictures};
use crate::program::files::folder;
use crate::program::terminal::Failure;

/// Maps that were made elsewhere, measured as a method.
#[derive(Debug)]
pub(crate) struct Given {
    /// The folder's name.
    pub(crate) name: String,
    /// The strength of each pixel of the network's input, `[H, W]` in [0, 1] for each image.
    maps: Vec<Array2<f32>>,
}

impl Given {
    /// Reads a map for each picture from a folder: `STEM.npy`, or `STEM.CLASS.npy` for the class that the picture shows.
    /// A map `[h, w]` covers the whole input, edge to edge, and is enlarged to it (bilinear). Negative values are no
    /// evidence.
    pub(super) fn read(
        path: &Path,
        matching: &Matching,
        listed: &[Listed],
        pictures: &Pictures,
        [height, width, _]: [usize; 3],
        model: &Model,
    ) -> Result<Self, Failure> {
        let mut found = vec![None; pictures.chosen.len()];
        for file in
            folder::files(path)?.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "npy"))
        {
            let stem = file.strip_prefix(path).unwrap_or(&file).with_extension("");
            let whole = matching.find(&stem).map(|index| (index, None));
            let with_class = |error: String| {
                let class = stem.extension().ok_or(error.clone())?;
                let index = matching.find(&stem.with_extension("")).map_err(|_| error)?;
                let class = model.class_index(&class.to_string_lossy()).map_err(|error| error.to_string())?;
                Ok::<_, String>((index, Some(class)))
            };
            let (index, class) = whole.or_else(with_class).map_err(|error| format!("{}: {error}", file.display()))?;
            let Some(slot) = pictures.chosen.iter().position(|&chosen| chosen == index) else { continue };
            if class.is_some_and(|class| class != listed[index].label) {
                continue;
            }
            let map = read_npy_map(&file)?;
            if map.iter().any(|value| !value.is_finite()) {
                return Err(format!("{}: expected finite values, found infinity or NaN", file.display()).into());
            }
            let map = match map.dim() == (height, width) {
                true => map,
                false => upsample(map.view(), height, width, Alignment::HalfPixel),
            };
            if found[slot].replace(strengths(map)).is_some() {
                let picture = listed[index].name.display();
                return Err(format!("{}: there is another map for {picture}", file.display()).into());
            }
        }
        let missing = |(map, &index): (Option<_>, &usize)| {
            map.ok_or_else(|| {
                let (name, class) = (listed[index].name.with_extension(""), model.class_name(listed[index].label));
                let (folder, name) = (path.display(), name.display());
                format!("{folder}: expected a map for each picture, found neither {name}.npy nor {name}.{class}.npy")
            })
        };
        let maps = found.into_iter().zip(&pictures.chosen).map(missing).collect::<Result<_, _>>()?;
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, maps })
    }

    /// The map of an image.
    pub(super) fn of(&self, index: usize) -> Array2<f32> {
        self.maps[index].clone()
    }
}

/// The positive part, divided by its maximum.
fn strengths(map: Array2<f32>) -> Array2<f32> {
    let most = map.iter().copied().fold(0.0, f32::max);
    if most > 0.0 { map.mapv(|value| value.max(0.0) / most) } else { Array2::zeros(map.raw_dim()) }
}
