//! What a method looks at in each class, and which pictures it explains worst.

use attribution::measures::ENERGY;
use image::RgbImage;
use ndarray::ArrayView3;
use nn::Model;
use serde::Serialize;

use super::data::Data;
use super::figures::{Figures, mean};
use super::trial::Trial;
use crate::program::files::picture::Picture;
use crate::program::report::Page;
use crate::program::terminal::Failure;

/// Number of pictures listed for each class.
const WORST: usize = 4;

/// What the first method looks at in each class.
#[derive(Serialize)]
pub(crate) struct Classes {
    method: String,
    #[serde(skip)]
    title: String,
    /// Classes with objects whose places are known, in order.
    classes: Vec<Class>,
}

/// The pictures of a class.
#[derive(Serialize)]
struct Class {
    class: String,
    /// The number of pictures in which the object's place is known.
    images: usize,
    /// The mean share of the map that lies on the object.
    energy: f64,
    /// The mean share of the picture that the object covers: the energy of a map that is the same everywhere.
    share: f64,
    looks_at: &'static str,
    /// The pictures with the least energy, least first.
    worst: Vec<Worst>,
}

#[derive(Serialize)]
struct Worst {
    image: String,
    energy: f64,
    #[serde(skip)]
    index: usize,
}

impl Classes {
    /// `None` if nothing is known of where the objects are, or the energy isn't measured.
    pub(super) fn of(trial: &Trial<'_>, figures: &Figures, data: &Data) -> Option<Self> {
        let truths = trial.truths?;
        let energy = trial.measures.iter().position(|measure| measure.id == ENERGY.id)?;
        let first = trial.subjects.first()?;
        let values = figures.values.first()?.get(energy)?;
        let [height, width, _] = trial.model.input_shape();
        let of_class = |label: usize| {
            let mut measured: Vec<(f64, usize, f64)> = (values.iter().enumerate())
                .filter(|&(index, energy)| trial.images.labels()[index] == label && !energy.is_nan())
                .filter_map(|(index, &energy)| Some((energy, index, truths[index].as_ref()?.share([height, width])?)))
                .collect();
            measured.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (energy, share) = (mean(&each(&measured, |m| m.0))?, mean(&each(&measured, |m| m.2))?);
            let worst = measured.iter().take(WORST);
            Some(Class {
                class: trial.model.class_name(label),
                images: measured.len(),
                energy,
                share,
                looks_at: if energy > share { "the object" } else { "the background" },
                worst: worst.map(|&(energy, index, _)| Worst { image: data.title(index), energy, index }).collect(),
            })
        };
        let classes: Vec<Class> = (0..trial.model.classes()).filter_map(of_class).collect();
        (!classes.is_empty()).then(|| Self { method: first.id().into(), title: first.title().into(), classes })
    }

    /// For the terminal: a line for each class.
    pub(super) fn lines(&self) -> Vec<String> {
        let width = self.classes.iter().map(|class| class.class.chars().count()).max().unwrap_or_default();
        let line = |Class { class, energy, share, looks_at, worst, .. }: &Class| {
            let least = worst
                .first()
                .map_or_else(String::new, |worst| format!("; worst: {} ({:.1} %)", worst.image, 100.0 * worst.energy));
            let (energy, share) = (100.0 * energy, 100.0 * share);
            format!("  {class:width$}  {energy:>5.1} %, of the picture {share:>5.1} %: {looks_at}{least}")
        };
        let head = format!("Object or background? The energy of {} on the object, by class", self.title);
        [String::new(), head].into_iter().chain(self.classes.iter().map(line)).collect()
    }

    /// Adds the pictures that are explained worst to the report.
    pub(super) fn show(&self, page: &mut Page, data: &Data, model: &Model) -> Result<(), Failure> {
        let places = data.places();
        let mut rows = Vec::new();
        for Class { class, images, energy, share, looks_at, worst } in &self.classes {
            let caption = format!(
                "{class}: {:.1} % of {} lies on the object, which covers {:.1} % of the picture ({images} measured). It looks \
                 at {looks_at}.",
                100.0 * energy,
                self.title,
                100.0 * share
            );
            let mut pictures: Vec<(String, RgbImage)> = Vec::new();
            for &Worst { ref image, energy, index } in worst {
                let [_, height, width, channels] = data.images.shape();
                let pixels = ArrayView3::from_shape((height, width, channels), data.images.image(index))?;
                let picture = Picture::from_pixels(pixels, model)?;
                let shown = match &places[index] {
                    Some(place) => picture.outlined(picture.shown(), place),
                    None => picture.shown(),
                };
                pictures.push((format!("{image}: {:.1} %", 100.0 * energy), shown));
            }
            rows.push((caption, pictures));
        }
        page.worst(&rows)
    }
}

fn each(measured: &[(f64, usize, f64)], value: impl Fn(&(f64, usize, f64)) -> f64) -> Vec<f64> {
    measured.iter().map(value).collect()
}
