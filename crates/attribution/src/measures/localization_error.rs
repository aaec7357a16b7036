//! Top-k localization error: one of k guesses must have the right class *and* the right box.

use ndarray::Array2;
use nn::data::Rect;

use super::measure::{Group, Measure, Needs, Trial, share};
use super::{BOX_HIT, CAM_THRESHOLD, Object, estimated_box};

/// Whether all guesses are wrong. A guess is a class and the [box](super::estimated_box) of that class's map. It is
/// right if the class is the image's own and the intersection over union with a true box exceeds one half.
///
/// With the k likeliest classes as guesses, this is the top-k localization error of an image. (Russakovsky et al.,
/// *ImageNet Large Scale Visual Recognition Challenge*, 2015, §4.2; Zhou et al. 2016, §3.2, Table 2; Selvaraju et al.
/// 2017, §4.1.)
#[must_use]
pub fn localization_error(guesses: &[(usize, Option<Rect>)], label: usize, truth: &(impl Object + ?Sized)) -> bool {
    let places = truth.boxes();
    let right = |&(class, found): &(usize, Option<Rect>)| {
        class == label && found.is_some_and(|found| places.iter().any(|place| found.iou(place) > BOX_HIT))
    };
    !guesses.iter().any(right)
}

/// The [localization error](localization_error) of the likeliest class.
pub static TOP_1_ERROR: Measure = Measure {
    id: "top-1-error",
    title: "top-1 error",
    what: "wrong class, or a box that overlaps by no more than half",
    group: Group::Localization,
    higher_is_better: false,
    needs: Needs::Truth,
    figures: |trial| Ok(errors(trial, 1)),
};

/// The [localization error](localization_error) of the five likeliest classes.
pub static TOP_5_ERROR: Measure = Measure {
    id: "top-5-error",
    title: "top-5 error",
    what: "the same, with the five likeliest classes as guesses",
    group: Group::Localization,
    higher_is_better: false,
    needs: Needs::Truth,
    figures: |trial| Ok(errors(trial, 5)),
};

/// Among the `k` likeliest, only the image's own class can be right, so only its map is computed.
fn errors(trial: &Trial<'_>, k: usize) -> Vec<f64> {
    let error = |(image, map): (usize, &Array2<f32>)| {
        let label = trial.labels[image];
        let Some(truth) = &trial.truths[image] else { return f64::NAN };
        let found = estimated_box(map.view(), CAM_THRESHOLD);
        let guess = |class| (class, found.filter(|_| class == label));
        let guesses: Vec<_> = trial.pass.top_of(image, k).into_iter().map(|best| guess(best.class)).collect();
        share(localization_error(&guesses, label, truth))
    };
    trial.maps.iter().enumerate().map(error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: Rect = Rect { top: 2, left: 3, height: 4, width: 6 };
    /// Boxes with three quarters and with half of its rows.
    const NEAR: Rect = Rect { height: 3, ..TRUTH };
    const HALF: Rect = Rect { height: 2, ..TRUTH };

    #[test]
    fn class_and_box_have_to_be_right_together() {
        let error = |guesses: &[(usize, Option<Rect>)]| localization_error(guesses, 7, &TRUTH);
        assert!(!error(&[(7, Some(TRUTH))]) && !error(&[(7, Some(NEAR))]));
        assert!(error(&[(7, Some(HALF))]), "half is not more than half");
        assert!(error(&[(6, Some(TRUTH))]) && error(&[(7, None)]) && error(&[]));
        // The right box of a wrong class doesn't help the right class's wrong box.
        assert!(error(&[(6, Some(TRUTH)), (7, Some(HALF))]));
        assert!(!error(&[(6, None), (7, Some(NEAR)), (5, Some(HALF))]));
    }
}
