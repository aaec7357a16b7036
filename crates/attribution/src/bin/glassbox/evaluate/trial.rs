//! One batch of images, measured.

use attribution::measures::{
    CAM_THRESHOLD, GRAD_CAM_THRESHOLD, Perturbation, box_score, energy_in_box, estimated_box, localization_error,
    pointing_game, rank_correlation, ssim,
};
use attribution::{Baseline, ExplainError, Explainer, LayerRef, Pass};
use ndarray::Array2;
use nn::Model;
use nn::data::{LabelledImages, Normalization, Rect};
use rayon::prelude::*;
use tensor::Tensor;

use super::figures::Figures;
use super::measure::{Group, Measure};
use super::subject::Subject;
use crate::interrupt;

/// What is measured of what.
pub(crate) struct Trial<'a> {
    pub(crate) model: &'a Model,
    pub(crate) normalization: &'a Normalization,
    /// The model with ever more weights drawn anew; none where no measure asks for it.
    pub(crate) randomized: &'a [(String, Model)],
    pub(crate) images: &'a LabelledImages,
    pub(crate) boxes: Option<&'a [Rect]>,
    pub(crate) layers: &'a [LayerRef<'a>],
    pub(crate) subjects: &'a [Subject],
    pub(crate) measures: &'a [Measure],
    pub(crate) seed: u64,
}

/// The images of one batch, and what the model sees in them.
struct Batch<'a> {
    pass: Pass<'a>,
    places: &'a [usize],
    labels: Vec<usize>,
}

impl Trial<'_> {
    /// Measures the images at these places.
    pub(crate) fn run(&self, places: &[usize]) -> Result<Figures, ExplainError> {
        let input = self.input(places);
        let labels: Vec<usize> = places.iter().map(|&place| self.images.labels()[place]).collect();
        let batch = Batch { pass: Explainer::new(self.model).observe(&input)?, places, labels };
        let mut figures = Figures { images: places.len(), ..Figures::default() };
        let mut maps = Vec::new();
        for subject in self.subjects {
            maps.push(self.strengths(*subject, &batch, &batch.labels)?);
        }
        figures.cascade = self.cascade(&input, &batch, &maps)?;
        for (number, subject) in self.subjects.iter().enumerate() {
            let cascade = &figures.cascade[number];
            let of = |measure: &Measure| self.measure(*measure, *subject, &batch, &maps[number], cascade);
            figures.values.push(self.measures.iter().map(of).collect::<Result<_, _>>()?);
        }
        let likeness = |a: &Vec<Array2<f32>>| maps.iter().map(|b| ranks_alike(a, b)).collect();
        figures.agreement = maps.iter().map(likeness).collect();
        Ok(figures)
    }

    fn input(&self, places: &[usize]) -> Tensor<f32> {
        let mut values = Vec::new();
        self.images.gather(places, self.normalization, &mut values);
        let [_, height, width, channels] = self.images.shape();
        Tensor::new([places.len(), height, width, channels], values)
    }

    fn strengths(
        &self,
        subject: Subject,
        batch: &Batch<'_>,
        classes: &[usize],
    ) -> Result<Vec<Array2<f32>>, ExplainError> {
        subject.strengths(&batch.pass, self.layers, classes, batch.places, self.seed)
    }

    /// A figure for each image; none where the measure asks about the network and the subject doesn't look at it.
    fn measure(
        &self,
        measure: Measure,
        subject: Subject,
        batch: &Batch<'_>,
        maps: &[Array2<f32>],
        cascade: &[[Vec<f64>; 2]],
    ) -> Result<Vec<f64>, ExplainError> {
        let Batch { pass, places, labels } = batch;
        let step = |step: Option<&[Vec<f64>; 2]>, which: usize| step.map_or_else(Vec::new, |step| step[which].clone());
        let on_box = |figure: &(dyn Fn(&Array2<f32>, &Rect) -> f64 + Sync)| -> Vec<f64> {
            let boxes = self.boxes.expect("asked for where boxes are known");
            maps.par_iter().zip(places.par_iter()).map(|(map, &place)| figure(map, &boxes[place])).collect()
        };
        let share = |yes: bool| f64::from(u8::from(yes));
        Ok(match measure {
            Measure::Pointing => on_box(&|map, truth| share(pointing_game(map.view(), truth, 0))),
            Measure::Energy => on_box(&|map, truth| energy_in_box(map.view(), truth)),
            Measure::Iou20 => on_box(&|map, truth| box_score(map.view(), truth, CAM_THRESHOLD)),
            Measure::Iou15 => on_box(&|map, truth| box_score(map.view(), truth, GRAD_CAM_THRESHOLD)),
            Measure::Top1Error => self.localization_errors(batch, maps, 1),
            Measure::Top5Error => self.localization_errors(batch, maps, 5),
            Measure::Deletion => {
                let curves = pass.deletion(maps, labels, &Perturbation::default(), interrupt::patiently)?;
                curves.iter().map(|curve| curve.area()).collect()
            }
            Measure::Insertion => {
                let curves = pass.insertion(maps, labels, &Perturbation::default(), interrupt::patiently)?;
                curves.iter().map(|curve| curve.area()).collect()
            }
            Measure::Drop => {
                pass.confidence(maps, labels, &Baseline::default())?.iter().map(|pair| pair.drop()).collect()
            }
            Measure::Increase => {
                let pairs = pass.confidence(maps, labels, &Baseline::default())?;
                pairs.iter().map(|pair| share(pair.increased())).collect()
            }
            _ if !subject.is_method() => Vec::new(),
            Measure::WrongClass => {
                let wrong = |(image, label): (usize, &usize)| {
                    let top = pass.top_of(image, 2);
                    top.into_iter().map(|best| best.class).find(|class| class != label).unwrap_or(*label)
                };
                let wrong: Vec<usize> = labels.iter().enumerate().map(wrong).collect();
                ranks_alike(maps, &self.strengths(subject, batch, &wrong)?)
            }
            Measure::RandomHead => step(cascade.first(), 0),
            Measure::RandomHalf => step(cascade.get(half(cascade.len())), 0),
            Measure::RandomSsim => step(cascade.get(half(cascade.len())), 1),
            Measure::Random => step(cascade.last(), 0),
        })
    }

    /// Of the `k` likeliest classes only the image's own can be right, so that only its map is asked for a box.
    fn localization_errors(&self, batch: &Batch<'_>, maps: &[Array2<f32>], k: usize) -> Vec<f64> {
        let boxes = self.boxes.expect("asked for where boxes are known");
        let error = |(image, (map, &place)): (usize, (&Array2<f32>, &usize))| {
            let label = batch.labels[image];
            let found = estimated_box(map.view(), CAM_THRESHOLD);
            let guess = |class| (class, found.filter(|_| class == label));
            let guesses: Vec<_> = batch.pass.top_of(image, k).into_iter().map(|best| guess(best.class)).collect();
            f64::from(u8::from(localization_error(&guesses, label, &boxes[place])))
        };
        maps.iter().zip(batch.places).enumerate().map(error).collect()
    }

    /// By subject, then by step: rank correlations and SSIMs of the maps with those of the randomised model.
    fn cascade(
        &self,
        input: &Tensor<f32>,
        batch: &Batch<'_>,
        maps: &[Vec<Array2<f32>>],
    ) -> Result<Vec<Vec<[Vec<f64>; 2]>>, ExplainError> {
        let mut likeness = vec![Vec::new(); self.subjects.len()];
        if !self.measures.iter().any(|measure| measure.group() == Group::Sanity) {
            return Ok(likeness);
        }
        for (_, model) in self.randomized {
            let pass = Explainer::new(model).observe(input)?;
            for ((subject, maps), likeness) in self.subjects.iter().zip(maps).zip(&mut likeness) {
                if subject.is_method() {
                    let other = subject.strengths(&pass, self.layers, &batch.labels, batch.places, self.seed)?;
                    likeness.push([ranks_alike(maps, &other), look_alike(maps, &other)]);
                }
            }
        }
        Ok(likeness)
    }
}

/// The step of a cascade after which the upper half of the layers is drawn anew.
pub(crate) fn half(steps: usize) -> usize {
    (steps / 2).saturating_sub(1)
}

/// The rank correlation of each image's maps; 0 where one says nothing.
fn ranks_alike(a: &[Array2<f32>], b: &[Array2<f32>]) -> Vec<f64> {
    a.par_iter().zip(b).map(|(a, b)| rank_correlation(a.view(), b.view()).unwrap_or(0.0)).collect()
}

fn look_alike(a: &[Array2<f32>], b: &[Array2<f32>]) -> Vec<f64> {
    a.par_iter().zip(b).map(|(a, b)| ssim(a.view(), b.view())).collect()
}
