//! What is counted in an evaluation.

use tensor::Tensor;

use super::confusion::Confusion;
use super::evaluation::{likeliest, rank};
use crate::data::Targets;

/// What is counted of some batches. Of all batches, it is the same in however many parts they were counted.
pub(super) struct Tally {
    /// The sum of the losses of each batch's images.
    pub(super) losses: Vec<f64>,
    /// For k from 1, the number of images whose class is among the k likeliest.
    pub(super) within: Vec<usize>,
    pub(super) confusion: Confusion,
    /// Of labels and values: the scores of all images, and the truths.
    pub(super) scores: Vec<f32>,
    pub(super) truths: Vec<f32>,
}

impl Tally {
    pub(super) fn new(names: Vec<String>, largest_k: usize) -> Self {
        let within = vec![0; names.len().min(largest_k)];
        Self { losses: Vec::new(), within, confusion: Confusion::new(names), scores: Vec::new(), truths: Vec::new() }
    }

    /// Counts a batch with the scores `[N, …, K]`.
    pub(super) fn count(&mut self, logits: &Tensor<f32>, targets: &Targets, loss: f64) {
        self.losses.push(loss);
        let classes = self.confusion.names().len();
        let rows = logits.as_slice().chunks_exact(classes);
        match targets {
            Targets::Classes { labels, .. } => {
                for (scores, &label) in rows.zip(labels) {
                    let rank = rank(scores, label);
                    self.within.iter_mut().skip(rank).for_each(|count| *count += 1);
                    self.confusion.add(label, likeliest(scores));
                }
            }
            Targets::Map(pixels) => {
                rows.zip(pixels).for_each(|(scores, &class)| self.confusion.add(class, likeliest(scores)));
            }
            Targets::Labels(rows) | Targets::Values(rows) => {
                self.scores.extend_from_slice(logits.as_slice());
                self.truths.extend_from_slice(rows.as_slice());
            }
        }
    }

    /// Everything counted, as bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let lengths = [self.losses.len(), self.scores.len()].map(|length| length as u64);
        let counts = self.within.iter().chain(self.confusion.counts()).map(|&count| count as u64);
        let rows = self.scores.iter().chain(&self.truths).map(|value| u64::from(value.to_bits()));
        let words = lengths.into_iter().chain(counts).chain(self.losses.iter().map(|loss| loss.to_bits())).chain(rows);
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// Counts what another tally of the same classes has counted of later batches.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let mut words = bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut next = || words.next().expect("all that a tally has");
        let [losses, rows] = [next(), next()].map(|length| length as usize);
        self.within.iter_mut().for_each(|count| *count += next() as usize);
        self.confusion.counts_mut().iter_mut().for_each(|count| *count += next() as usize);
        self.losses.extend((0..losses).map(|_| f64::from_bits(next())));
        for values in [&mut self.scores, &mut self.truths] {
            values.extend((0..rows).map(|_| f32::from_bits(next() as u32)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        let tally = || Tally::new(["a", "b", "c"].map(String::from).into(), 2);
        let classes = |labels: &[usize]| Targets::Classes { labels: labels.into(), soft: None };
        let scores = Tensor::new([2, 3], vec![0.5, 2.0, -1.0, 0.0, 0.0, f32::INFINITY]);
        let rows = Targets::Values(scores.clone().map(|score| score / 3.0));
        let batches = [(classes(&[1, 0]), 0.1), (classes(&[2, 2]), 0.2), (rows, f64::NAN)];
        let mut whole = tally();
        batches.iter().for_each(|(targets, loss)| whole.count(&scores, targets, *loss));
        for cut in 0..=3 {
            let mut sum = tally();
            for part in [&batches[..cut], &batches[cut..]] {
                let mut own = tally();
                part.iter().for_each(|(targets, loss)| own.count(&scores, targets, *loss));
                sum.append(&own.to_bytes());
            }
            assert_eq!(sum.to_bytes(), whole.to_bytes());
        }
    }
}
