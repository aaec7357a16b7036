//! The measured values, image by image.

use attribution::measures::{Interval, Measure, bootstrap};

/// The confidence level of the intervals: 95 % of all samples of images give an interval that contains the population
/// mean.
pub(crate) const LEVEL: f64 = 0.95;

/// The figures of subjects under measures, with a value for each image so far.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// By subject, then by measure; empty if the measure doesn't apply, and NaN for an image without the truth that it
    /// needs.
    pub(crate) values: Vec<Vec<Vec<f64>>>,
    /// Similarity to the maps of a network with more and more re-initialized layers: by subject, then by step; rank
    /// correlations and SSIMs.
    pub(crate) cascade: Vec<Vec<[Vec<f64>; 2]>>,
    /// Rank correlation of two subjects' maps: by the first, then by the second.
    pub(crate) agreement: Vec<Vec<Vec<f64>>>,
    pub(crate) images: usize,
}

impl Figures {
    /// Appends the figures of further images.
    pub(crate) fn append(&mut self, more: Self) {
        if self.images == 0 {
            *self = more;
            return;
        }
        let pairs = self.values.iter_mut().zip(more.values).chain(self.agreement.iter_mut().zip(more.agreement));
        for (all, more) in pairs.flat_map(|(all, more)| all.iter_mut().zip(more)) {
            all.extend(more);
        }
        let steps = self.cascade.iter_mut().zip(more.cascade).flat_map(|(all, more)| all.iter_mut().zip(more));
        for (all, more) in steps.flat_map(|(all, more)| all.iter_mut().zip(more)) {
            all.extend(more);
        }
        self.images += more.images;
    }

    /// The figures of a subject under a measure, of the images to which it applies.
    pub(crate) fn of(&self, subject: usize, measure: usize) -> Vec<f64> {
        self.values[subject][measure].iter().copied().filter(|value| !value.is_nan()).collect()
    }

    /// The mean of a measure over the images, with its confidence interval.
    pub(crate) fn interval(&self, subject: usize, measure: usize, seed: u64) -> Option<Interval> {
        bootstrap(&self.of(subject, measure), LEVEL, seed)
    }

    /// All intervals, by subject, then by measure.
    pub(crate) fn intervals(&self, measures: &[&Measure], seed: u64) -> Vec<Vec<Option<Interval>>> {
        let of = |subject| (0..measures.len()).map(|measure| self.interval(subject, measure, seed)).collect();
        (0..self.values.len()).map(of).collect()
    }
}

/// The mean; `None` without values.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
