//! What is kept of each picture.

use std::time::Instant;

use attribution::clusters::Outline;
use attribution::measures::{Object, energy_in_box};
use attribution::{Baseline, ExplainError, LayerRef, Pass};
use ndarray::Array2;
use tensor::Tensor;

use super::Looked;
use super::aligned::aligned;
use crate::program::terminal::Failure;
use crate::program::terminal::interrupt::{asked, until_asked};
use crate::program::terminal::progress::{bar, left};

/// Number of images in a forward pass.
const BATCH: usize = 20;

/// What is kept of a picture.
pub(super) struct Picture {
    /// Its map in outline, if the network recognises the picture and the map shows something.
    pub(super) outline: Option<Outline>,
    /// Its map, over the object's box if there is one.
    pub(super) aligned: Option<Array2<f32>>,
    /// The share of the map that lies on the object, and the share of the picture that the object covers.
    pub(super) on_object: Option<[f64; 2]>,
    /// How well it is explained: the share of the map on the object, or, where the object's place isn't known, the share of
    /// the class's probability that is left when only what the map keeps is seen.
    pub(super) quality: Option<f64>,
}

/// Explains the first `count` pictures; `None` if the user stops it.
pub(super) fn pictures(looked: &Looked<'_>, count: usize) -> Result<Option<Vec<Picture>>, Failure> {
    let (bar, started) = (bar("a set at a glance", count), Instant::now());
    let mut pictures = Vec::new();
    for batch in (0..count).collect::<Vec<_>>().chunks(BATCH) {
        match explained(looked, batch) {
            Ok(more) => pictures.extend(more),
            Err(ExplainError::Cancelled { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if asked() {
            return Ok(None);
        }
        let done = pictures.len();
        bar.set_position(done as u64);
        bar.set_message(format!("{done} of {count} pictures, {}", left(started, done, count)));
    }
    bar.finish_and_clear();
    Ok(Some(pictures))
}

fn explained(looked: &Looked<'_>, batch: &[usize]) -> Result<Vec<Picture>, ExplainError> {
    let normalization = looked.model.info().normalization.as_ref().ok_or(ExplainError::NoNormalization)?;
    let mut values = Vec::new();
    looked.images.gather(batch, normalization, &mut values);
    let [_, height, width, channels] = looked.images.shape();
    let pass = Pass::new(looked.model, Tensor::new([batch.len(), height, width, channels], values))?;
    let labels: Vec<usize> = batch.iter().map(|&index| looked.images.labels()[index]).collect();
    let layers = if looked.layers.is_empty() { &[LayerRef::Last][..] } else { looked.layers };
    let question = pass.why(&labels[..]).at_each(layers.iter().copied()).watched(&until_asked);
    let maps: Vec<Array2<f32>> =
        question.explain_each(&*looked.method.method)?.iter().map(|map| map.over_input()).collect();
    let kept = match looked.truths {
        Some(_) => Vec::new(),
        None => pass.confidence(&maps, &labels, &Baseline::default())?,
    };
    let picture = |(number, map): (usize, &Array2<f32>)| {
        let truth = looked.truths.and_then(|truths| truths[batch[number]].as_ref());
        let on_object = truth.and_then(|truth| Some([energy_in_box(map.view(), truth), truth.share([height, width])?]));
        let is_right = pass.top_of(number, 1).first().is_some_and(|top| top.class == labels[number]);
        let outline = Outline::of(map.view()).filter(|_| is_right);
        let aligned = match truth.map(Object::boxes).as_deref() {
            Some([place, ..]) => aligned(map, place),
            _ => map.clone(),
        };
        Picture {
            aligned: outline.as_ref().filter(|_| truth.is_some() == looked.truths.is_some()).map(|_| aligned),
            outline,
            on_object,
            quality: on_object.map(|shares| shares[0]).or_else(|| kept.get(number).map(|kept| 1.0 - kept.drop())),
        }
    };
    Ok(maps.iter().enumerate().map(picture).collect())
}
