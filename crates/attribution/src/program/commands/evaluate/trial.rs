//! The measurement of one batch of images.

use std::cell::OnceCell;

use attribution::measures::{self, Measure, Needs, Truth, rank_correlations, ssim};
use attribution::{ExplainError, LayerRef, Pass};
use ndarray::Array2;
use nn::Model;
use nn::data::{LabelledImages, Normalization};
use rayon::prelude::*;
use tensor::Tensor;

use super::figures::Figures;
use super::subject::Subject;
use crate::program::terminal::interrupt::until_asked;

/// The settings of an evaluation.
pub(crate) struct Trial<'a> {
    pub(crate) model: &'a Model,
    pub(crate) normalization: &'a Normalization,
    /// The model with more and more re-initialized layers; empty if no measure needs it.
    pub(crate) randomized: &'a [(String, Model)],
    pub(crate) images: &'a LabelledImages,
    pub(crate) truths: Option<&'a [Option<Truth>]>,
    pub(crate) layers: &'a [LayerRef<'a>],
    pub(crate) subjects: &'a [Subject<'a>],
    pub(crate) measures: &'a [&'static Measure],
    pub(crate) seed: u64,
}

/// The images of one batch, and the forward pass over them.
struct Batch<'a> {
    pass: Pass<'a>,
    /// The images' indices in the data set.
    indices: &'a [usize],
    labels: Vec<usize>,
}

impl Batch<'_> {
    /// The likeliest wrong class of each image.
    fn rivals(&self) -> Vec<usize> {
        let rival = |(image, label): (usize, &usize)| {
            let top = self.pass.top_of(image, 2);
            top.into_iter().map(|best| best.class).find(|class| class != label).unwrap_or(*label)
        };
        self.labels.iter().enumerate().map(rival).collect()
    }
}

impl Trial<'_> {
    /// Measures the images with these indices.
    pub(crate) fn run(&self, indices: &[usize]) -> Result<Figures, ExplainError> {
        let input = self.input(indices);
        let labels: Vec<usize> = indices.iter().map(|&index| self.images.labels()[index]).collect();
        let batch = Batch { pass: Pass::new(self.model, &input)?, indices, labels };
        let mut figures = Figures { images: indices.len(), ..Figures::default() };
        let mut maps = Vec::new();
        for subject in self.subjects {
            maps.push(self.strengths(*subject, &batch, &batch.labels)?);
        }
        figures.cascade = self.cascade(&input, &batch, &maps)?;
        for (number, subject) in self.subjects.iter().enumerate() {
            let cascade = &figures.cascade[number];
            figures.values.push(self.measure(*subject, &batch, &maps[number], cascade)?);
        }
        let likeness = |a: &Vec<Array2<f32>>| maps.iter().map(|b| rank_correlations(a, b)).collect();
        figures.agreement = maps.iter().map(likeness).collect();
        Ok(figures)
    }

    fn input(&self, indices: &[usize]) -> Tensor<f32> {
        let mut values = Vec::new();
        self.images.gather(indices, self.normalization, &mut values);
        let [_, height, width, channels] = self.images.shape();
        Tensor::new([indices.len(), height, width, channels], values)
    }

    fn strengths(
        &self,
        subject: Subject<'_>,
        batch: &Batch<'_>,
        classes: &[usize],
    ) -> Result<Vec<Array2<f32>>, ExplainError> {
        subject.strengths(&batch.pass, self.layers, classes, batch.indices, self.seed)
    }

    /// The figures of a subject under each measure; empty if the measure needs the network and the subject doesn't
    /// depend on it.
    fn measure(
        &self,
        subject: Subject<'_>,
        batch: &Batch<'_>,
        maps: &[Array2<f32>],
        cascade: &[[Vec<f64>; 2]],
    ) -> Result<Vec<Vec<f64>>, ExplainError> {
        let truth = |&index: &usize| self.truths.and_then(|truths| truths[index].clone());
        let truths: Vec<Option<Truth>> = batch.indices.iter().map(truth).collect();
        let needs_rivals = self.measures.iter().any(|measure| measure.needs == Needs::Rivals) && subject.is_method();
        let rivals = if needs_rivals { self.strengths(subject, batch, &batch.rivals())? } else { Vec::new() };
        let needs_shaken = self.measures.iter().any(|measure| measure.needs == Needs::Shaken) && !subject.is_given();
        let shaken = if needs_shaken { self.shaken(subject, batch)? } else { Vec::new() };
        let trial = measures::Trial {
            pass: &batch.pass,
            labels: &batch.labels,
            maps,
            truths: &truths,
            rivals: &rivals,
            cascade,
            shaken: &shaken,
            watch: Some(&until_asked),
            confidence: OnceCell::new(),
        };
        let applies = |needs| match needs {
            Needs::Truth | Needs::Network | Needs::Nothing => true,
            Needs::Shaken => !subject.is_given(),
            Needs::Rivals | Needs::Randomized => subject.is_method(),
        };
        let figures =
            |measure: &&Measure| if applies(measure.needs) { (measure.figures)(&trial) } else { Ok(Vec::new()) };
        self.measures.iter().map(figures).collect()
    }

    /// The maps of copies of the images with noise. Chance draws another map for each copy.
    fn shaken(&self, subject: Subject<'_>, batch: &Batch<'_>) -> Result<Vec<Vec<Array2<f32>>>, ExplainError> {
        let maps = |copy: usize| {
            let pass = Pass::new(self.model, measures::shaken(&batch.pass, self.seed, copy)?)?;
            let seed = self.seed.wrapping_add(1 + copy as u64);
            subject.strengths(&pass, self.layers, &batch.labels, batch.indices, seed)
        };
        (0..measures::SHAKEN).map(maps).collect()
    }

    /// By subject, then by step: rank correlations and SSIMs with the maps of the randomized model.
    fn cascade(
        &self,
        input: &Tensor<f32>,
        batch: &Batch<'_>,
        maps: &[Vec<Array2<f32>>],
    ) -> Result<Vec<Vec<[Vec<f64>; 2]>>, ExplainError> {
        let mut likeness = vec![Vec::new(); self.subjects.len()];
        if self.randomized.is_empty() {
            return Ok(likeness);
        }
        for (_, model) in self.randomized {
            let pass = Pass::new(model, input)?;
            for ((subject, maps), likeness) in self.subjects.iter().zip(maps).zip(&mut likeness) {
                if subject.is_method() {
                    let other = subject.strengths(&pass, self.layers, &batch.labels, batch.indices, self.seed)?;
                    likeness.push([rank_correlations(maps, &other), look_alike(maps, &other)]);
                }
            }
        }
        Ok(likeness)
    }
}

fn look_alike(a: &[Array2<f32>], b: &[Array2<f32>]) -> Vec<f64> {
    a.par_iter().zip(b).map(|(a, b)| ssim(a.view(), b.view())).collect()
}
