//! The scores of a label.

use super::auroc::auroc;
use super::average_precision::average_precision;

/// How well a label is recognised in a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelScores {
    /// The label's name.
    pub name: String,
    /// Number of images that have it.
    pub present: usize,
    /// [Area under the ROC curve](auroc); `None` if all images have the label or none has.
    pub auroc: Option<f64>,
    /// [Average precision](average_precision); `None` if no image has the label.
    pub average_precision: Option<f64>,
    /// [F1](f1) of the label where its probability is at least 1/2; `None` if no image has the label or is said to have it.
    pub f1: Option<f64>,
    /// Share of the images for which presence and a probability of at least 1/2 agree.
    pub accuracy: f64,
}

impl LabelScores {
    /// From the logit of each image, and whether it has the label.
    pub(super) fn new(name: String, logits: &[f32], present: &[bool]) -> Self {
        let said: Vec<bool> = logits.iter().map(|&logit| logit >= 0.0).collect();
        let agreeing = said.iter().zip(present).filter(|(said, present)| said == present).count();
        Self {
            name,
            present: present.iter().filter(|&&present| present).count(),
            auroc: auroc(logits, present),
            average_precision: average_precision(logits, present),
            f1: f1(&said, present),
            accuracy: agreeing as f64 / present.len().max(1) as f64,
        }
    }
}

/// The mean of the numbers that are there; `None` if there are none.
pub(super) fn mean(numbers: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.flatten().collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// The harmonic mean of precision and recall, 2·TP/(2·TP + FP + FN). `None` if no image has the label or is said to have it.
///
/// # Panics
/// If the two have different lengths.
#[must_use]
pub fn f1(said: &[bool], present: &[bool]) -> Option<f64> {
    assert_eq!(said.len(), present.len(), "{} answers for {} labels", said.len(), present.len());
    let both = said.iter().zip(present).filter(|&(&said, &present)| said && present).count();
    let each = said.iter().chain(present).filter(|&&one| one).count();
    (each > 0).then(|| 2.0 * both as f64 / each as f64)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Twelve logits with ties, and whether the label is present.
    pub(in super::super) fn sample() -> (Vec<f32>, Vec<bool>) {
        let scores = vec![2.5, -1.0, 0.25, 0.25, -3.0, 1.5, 0.0, -0.5, 2.5, -1.0, 0.75, -2.0];
        let present = [1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0].map(|present| present == 1).to_vec();
        (scores, present)
    }

    /// `sklearn.metrics.f1_score` and `accuracy_score` of `logits >= 0`.
    #[test]
    fn they_are_what_scikit_learn_computes() {
        let (logits, present) = sample();
        let scores = LabelScores::new("label".into(), &logits, &present);
        approx::assert_abs_diff_eq!(scores.f1.unwrap(), F1, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(scores.accuracy, ACCURACY, epsilon = 1e-12);
        assert_eq!(scores.present, 5);
    }

    #[test]
    fn a_label_that_no_image_has_has_no_scores() {
        let scores = LabelScores::new("label".into(), &[-1.0, -2.0], &[false, false]);
        assert_eq!((scores.auroc, scores.average_precision, scores.f1), (None, None, None));
        assert_eq!((scores.present, scores.accuracy), (0, 1.0));
        assert_eq!(mean([None, Some(1.0), Some(0.5)].into_iter()), Some(0.75));
        assert_eq!(mean([None].into_iter()), None);
    }

    const F1: f64 = 0.6666666666666666;
    const ACCURACY: f64 = 0.6666666666666666;
}
