//! A set of labelled pictures at a glance: where the maps of each class lie, and which pictures stand apart.

mod aligned;
mod sample;
mod seen;
mod show;

use attribution::LayerRef;
use attribution::clusters::{Outline, Shortcut, SpectralClusters, shortcuts};
use attribution::measures::Truth;
use ndarray::Array2;
use nn::Model;
use nn::data::LabelledImages;
use serde::Serialize;

pub(crate) use sample::sample;

use super::methods::Chosen;
use crate::program::terminal::Failure;
use seen::Picture;

/// Limit on the pictures of a class that are divided into clusters.
const MOST: usize = 300;

/// Labelled pictures, and what explains them.
pub(crate) struct Looked<'a> {
    pub(crate) model: &'a Model,
    pub(crate) images: &'a LabelledImages,
    /// Where the objects are, if that is known.
    pub(crate) truths: Option<&'a [Option<Truth>]>,
    pub(crate) method: &'a Chosen,
    /// The layers for a method that explains a layer; the default if there are none.
    pub(crate) layers: &'a [LayerRef<'a>],
    pub(crate) seed: u64,
}

/// What was found.
#[derive(Serialize)]
pub(crate) struct Glance {
    method: String,
    #[serde(skip)]
    title: String,
    /// The clusters that look like a shortcut.
    shortcuts: Vec<Suspect>,
    /// The classes with pictures that are recognised and explained.
    classes: Vec<OfClass>,
}

/// A cluster that looks like a shortcut.
#[derive(Serialize)]
struct Suspect {
    class: String,
    /// The number of the class's pictures that are explained by the place.
    images: usize,
    /// The number of the class's pictures.
    of: usize,
    place: &'static str,
    /// The number of other classes' pictures that are explained by it, and the number of those.
    elsewhere: usize,
    others: usize,
    p: f64,
    #[serde(skip)]
    knows_objects: bool,
}

/// A class.
#[derive(Serialize)]
struct OfClass {
    class: String,
    /// The number of pictures in each cluster of maps.
    clusters: Vec<usize>,
    #[serde(skip)]
    members: Vec<Vec<usize>>,
    /// The mean map, over the objects' boxes if they are known.
    #[serde(skip)]
    mean: Option<Array2<f32>>,
    /// The pictures with how well they are explained, worst first.
    #[serde(skip)]
    ranked: Vec<(usize, f64)>,
}

impl Glance {
    /// Looks at the first `count` pictures. `None` if the user stops it, or if no picture is recognised and explained.
    pub(crate) fn of(looked: &Looked<'_>, count: usize) -> Result<Option<Self>, Failure> {
        let Some(pictures) = seen::pictures(looked, count)? else { return Ok(None) };
        let labels = &looked.images.labels()[..count];
        let outlines: Vec<Option<Outline>> = pictures.iter().map(|picture| picture.outline.clone()).collect();
        let of_class = |label: usize| -> Vec<usize> {
            (0..count).filter(|&index| labels[index] == label && outlines[index].is_some()).take(MOST).collect()
        };
        let own: Vec<Vec<usize>> = (0..looked.model.classes()).map(of_class).collect();
        let clusters: Vec<SpectralClusters> = own.iter().map(|own| clusters(own, &outlines, looked.seed)).collect();
        let off = |own: &[usize]| off_object(&pictures, own);
        let found = shortcuts(&outlines, labels, &clusters, off);
        let classes = (0..looked.model.classes()).filter(|&label| !own[label].is_empty()).map(|label| {
            let members: Vec<Vec<usize>> = (0..clusters[label].count)
                .map(|cluster| clusters[label].members(cluster).into_iter().map(|member| own[label][member]).collect())
                .collect();
            let mut ranked: Vec<(usize, f64)> =
                own[label].iter().filter_map(|&index| Some((index, pictures[index].quality?))).collect();
            ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
            OfClass {
                class: looked.model.class_name(label),
                clusters: members.iter().map(Vec::len).collect(),
                members,
                mean: mean(&pictures, &own[label]),
                ranked,
            }
        });
        let classes: Vec<OfClass> = classes.collect();
        let suspect = |Shortcut { class, pictures: there, of, elsewhere, others, place, p, .. }: Shortcut| Suspect {
            class: looked.model.class_name(class),
            images: there.len(),
            of,
            place,
            elsewhere,
            others,
            p,
            knows_objects: looked.truths.is_some(),
        };
        let shortcuts = found.into_iter().map(suspect).collect();
        let (method, title) = (looked.method.id.clone(), looked.method.title.clone());
        Ok((!classes.is_empty()).then_some(Self { method, title, shortcuts, classes }))
    }

    /// A sentence for each shortcut, or that there is none.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let sentence = |suspect: &Suspect| {
            let Suspect { class, images, of, place, elsewhere, others, knows_objects, .. } = suspect;
            let (off, unless) =
                if *knows_objects { (", off the object", "") } else { ("", ", unless the object lies there") };
            format!(
                "{class}: {images} of {of} pictures are explained by one place, the {place}{off}, as are {elsewhere} of {others} of \
                 the other classes: a shortcut{unless}."
            )
        };
        match &self.shortcuts[..] {
            [] => vec!["No sign of a shortcut: no place off the objects explains one class alone.".into()],
            found => found.iter().map(sentence).collect(),
        }
    }
}

/// The clusters of a class's maps.
fn clusters(own: &[usize], outlines: &[Option<Outline>], seed: u64) -> SpectralClusters {
    let rows: Vec<f64> =
        own.iter().flat_map(|&index| outlines[index].iter().flat_map(Outline::cells)).copied().collect();
    let width = rows.len().checked_div(own.len()).unwrap_or(0);
    let rows = Array2::from_shape_vec((own.len(), width), rows).expect("all outlines have the same size");
    SpectralClusters::of(rows.view(), seed)
}

/// Whether the maps lie on the objects no more than uniform maps would, on average; `None` if no object's place is known.
fn off_object(pictures: &[Picture], own: &[usize]) -> Option<bool> {
    let known: Vec<[f64; 2]> = own.iter().filter_map(|&index| pictures[index].on_object).collect();
    let sum = |which: usize| known.iter().map(|shares| shares[which]).sum::<f64>();
    (!known.is_empty()).then(|| sum(0) <= sum(1))
}

/// The mean of the aligned maps.
fn mean(pictures: &[Picture], own: &[usize]) -> Option<Array2<f32>> {
    let maps: Vec<&Array2<f32>> = own.iter().filter_map(|&index| pictures[index].aligned.as_ref()).collect();
    let sum = maps.iter().skip(1).fold((*maps.first()?).clone(), |sum, map| sum + *map);
    Some(sum / maps.len() as f32)
}
