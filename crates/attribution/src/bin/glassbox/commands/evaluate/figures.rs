//! What was measured, image by image.

use attribution::measures::{Interval, Measure, bootstrap};

/// The confidence level of the intervals: the share of samples of images whose interval contains the mean over all images.
pub(crate) const LEVEL: f64 = 0.95;

/// Figures for subjects and measures, each a value for each image so far.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// By subject, then by measure; none where the measure doesn't apply.
    pub(crate) values: Vec<Vec<Vec<f64>>>,
    /// Likeness to the map with ever more weights drawn anew: by subject, then by step; rank correlations and SSIMs.
    pub(crate) cascade: Vec<Vec<[Vec<f64>; 2]>>,
    /// Rank correlation of two subjects' maps: by the one, then by the other.
    pub(crate) agreement: Vec<Vec<Vec<f64>>>,
    pub(crate) images: usize,
}

impl Figures {
    /// Adds those of further images.
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

    /// The mean of a measure over the images, with its confidence interval.
    pub(crate) fn interval(&self, subject: usize, measure: usize, seed: u64) -> Option<Interval> {
        bootstrap(&self.values[subject][measure], LEVEL, seed)
    }

    /// By subject, then by measure.
    pub(crate) fn intervals(&self, measures: &[&Measure], seed: u64) -> Vec<Vec<Option<Interval>>> {
        let of = |subject| (0..measures.len()).map(|measure| self.interval(subject, measure, seed)).collect();
        (0..self.values.len()).map(of).collect()
    }
}

/// The mean; of nothing, none.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
