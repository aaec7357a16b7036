//! The average precision of a label.

/// The area under the curve of precision over recall, as a sum of steps: Σₙ (Rₙ − Rₙ₋₁)·Pₙ, where Pₙ and Rₙ are the precision
/// and the recall of the images whose score is at least the n-th largest one (scikit-learn's `average_precision_score`). A
/// random order has the share of images with the label. `None` if none has it.
///
/// # Panics
/// If the numbers of scores and labels differ.
#[must_use]
pub fn average_precision(scores: &[f32], present: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), present.len(), "{} scores for {} labels", scores.len(), present.len());
    let positives = present.iter().filter(|&&present| present).count();
    if positives == 0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut taken, mut found, mut sum) = (0, 0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let new = tied.iter().filter(|&&index| present[index]).count();
        (taken, found) = (taken + tied.len(), found + new);
        sum += new as f64 / positives as f64 * (found as f64 / taken as f64);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_sum_over_all_thresholds(images in prop::collection::vec((-4..4i8, any::<bool>()), 0..40)) {
            let scores: Vec<f32> = images.iter().map(|image| f32::from(image.0)).collect();
            let present: Vec<bool> = images.iter().map(|image| image.1).collect();
            let all = present.iter().filter(|&&present| present).count() as f64;
            let (mut sum, mut recall) = (0.0, 0.0);
            for threshold in (-4..4i8).rev() {
                let taken = images.iter().filter(|image| image.0 >= threshold);
                let right = taken.clone().filter(|image| image.1).count() as f64;
                if taken.clone().count() > 0 && all > 0.0 {
                    sum += (right / all - recall) * right / taken.count() as f64;
                    recall = right / all;
                }
            }
            match average_precision(&scores, &present) {
                Some(found) => approx::assert_abs_diff_eq!(found, sum, epsilon = 1e-12),
                None => prop_assert_eq!(all, 0.0),
            }
        }
    }

    /// `sklearn.metrics.average_precision_score`.
    #[test]
    fn it_is_what_scikit_learn_computes() {
        let (scores, present) = super::super::label_scores::tests::sample();
        approx::assert_abs_diff_eq!(average_precision(&scores, &present).unwrap(), PRECISION, epsilon = 1e-12);
    }

    const PRECISION: f64 = 0.6416666666666666;
}
