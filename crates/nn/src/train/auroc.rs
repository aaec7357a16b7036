//! The area under the ROC curve.

/// The area under the receiver operating characteristic: the probability that a random image with the label has a higher score
/// than a random image without it, a tie counting 1/2 (Hanley and McNeil, *The meaning and use of the area under a receiver
/// operating characteristic (ROC) curve*, 1982). `None` if all images have the label or none has.
///
/// It is computed from the sum R of the ranks (from 1, ties having their mean) of the P images with the label among all P + Q
/// (the statistic of Mann and Whitney): (R − P(P + 1)/2)/(P·Q).
///
/// # Panics
/// If the numbers of scores and labels differ.
#[must_use]
pub fn auroc(scores: &[f32], present: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), present.len(), "{} scores for {} labels", scores.len(), present.len());
    let positives = present.iter().filter(|&&present| present).count();
    let negatives = present.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut before, mut rank_sum) = (0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let mean_rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        rank_sum += mean_rank * tied.iter().filter(|&&index| present[index]).count() as f64;
        before += tied.len();
    }
    let (p, q) = (positives as f64, negatives as f64);
    Some((rank_sum - p * (p + 1.0) / 2.0) / (p * q))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_probability_over_all_pairs(images in prop::collection::vec((-4..4i8, any::<bool>()), 0..40)) {
            let scores: Vec<f32> = images.iter().map(|image| f32::from(image.0)).collect();
            let present: Vec<bool> = images.iter().map(|image| image.1).collect();
            let (mut wins, mut pairs) = (0.0, 0.0);
            for (a, _) in images.iter().filter(|image| image.1) {
                for (b, _) in images.iter().filter(|image| !image.1) {
                    pairs += 1.0;
                    wins += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            match auroc(&scores, &present) {
                Some(found) => approx::assert_abs_diff_eq!(found, wins / pairs, epsilon = 1e-12),
                None => prop_assert_eq!(pairs, 0.0),
            }
        }
    }

    /// `sklearn.metrics.roc_auc_score`.
    #[test]
    fn it_is_what_scikit_learn_computes() {
        let (scores, present) = super::super::label_scores::tests::sample();
        approx::assert_abs_diff_eq!(auroc(&scores, &present).unwrap(), AUROC, epsilon = 1e-12);
    }

    const AUROC: f64 = 0.8;
}
