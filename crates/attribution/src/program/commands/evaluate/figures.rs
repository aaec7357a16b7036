//! The measured values, image by image.

use attribution::measures::{Interval, Measure, bootstrap};
use serde::{Deserialize, Serialize};

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

    /// Whether each list is empty or has a value for each image, and there is a list for each subject and measure.
    fn is_whole(&self, subjects: usize, measures: usize) -> bool {
        let each = |values: &Vec<f64>| values.is_empty() || values.len() == self.images;
        let rows = |rows: &[Vec<Vec<f64>>], length: usize| {
            rows.len() == subjects && rows.iter().all(|row| row.len() == length && row.iter().all(each))
        };
        let steps = |steps: &Vec<[Vec<f64>; 2]>| steps.iter().flatten().all(each);
        rows(&self.values, measures)
            && rows(&self.agreement, subjects)
            && self.cascade.len() == subjects
            && self.cascade.iter().all(steps)
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

/// Figures in a shard's file: the bits of the numbers, since JSON has no NaN.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bits {
    values: Vec<Vec<Vec<u64>>>,
    cascade: Vec<Vec<[Vec<u64>; 2]>>,
    agreement: Vec<Vec<Vec<u64>>>,
    images: usize,
}

/// Converts each number of lists.
fn each<A: Copy, B>(rows: &[Vec<Vec<A>>], convert: fn(A) -> B) -> Vec<Vec<Vec<B>>> {
    let list = |list: &Vec<A>| list.iter().map(|&number| convert(number)).collect();
    rows.iter().map(|row| row.iter().map(list).collect()).collect()
}

/// As [`each`], in pairs of lists.
fn each_pair<A: Copy, B>(rows: &[Vec<[Vec<A>; 2]>], convert: fn(A) -> B) -> Vec<Vec<[Vec<B>; 2]>> {
    let list = |list: &Vec<A>| list.iter().map(|&number| convert(number)).collect();
    rows.iter().map(|row| row.iter().map(|pair| pair.each_ref().map(list)).collect()).collect()
}

impl From<&Figures> for Bits {
    fn from(figures: &Figures) -> Self {
        let Figures { values, cascade, agreement, images } = figures;
        let [values, agreement] = [values, agreement].map(|rows| each(rows, f64::to_bits));
        Self { values, cascade: each_pair(cascade, f64::to_bits), agreement, images: *images }
    }
}

impl Bits {
    /// The figures, if they have these numbers of images, subjects and measures.
    pub(super) fn figures(&self, images: usize, subjects: usize, measures: usize) -> Option<Figures> {
        let [values, agreement] = [&self.values, &self.agreement].map(|rows| each(rows, f64::from_bits));
        let cascade = each_pair(&self.cascade, f64::from_bits);
        let figures = Figures { values, cascade, agreement, images: self.images };
        (self.images == images && (images == 0 || figures.is_whole(subjects, measures))).then_some(figures)
    }
}

/// The mean; `None` without values.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_back_to_the_bit_and_damaged_ones_do_not() {
        let values = vec![vec![vec![0.1, f64::NAN], Vec::new()]];
        let figures = || Figures {
            values: values.clone(),
            cascade: vec![vec![[vec![1.0, -0.0], vec![f64::INFINITY, 2.0]]]],
            agreement: vec![vec![vec![1.0, 1.0]]],
            images: 2,
        };
        let json = serde_json::to_string(&Bits::from(&figures())).unwrap();
        let read: Bits = serde_json::from_str(&json).unwrap();
        let found = read.figures(2, 1, 2).unwrap();
        assert_eq!(serde_json::to_string(&Bits::from(&found)).unwrap(), json);
        assert!(read.figures(3, 1, 2).is_none() && read.figures(2, 2, 2).is_none() && read.figures(2, 1, 1).is_none());
        let short = Figures { agreement: vec![vec![vec![1.0]]], ..figures() };
        assert!(Bits::from(&short).figures(2, 1, 2).is_none());
    }
}
