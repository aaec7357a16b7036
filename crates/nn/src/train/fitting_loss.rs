//! The loss that fits what is true of images.

use tensor::Var;

use crate::data::Targets;
use crate::losses::{binary_cross_entropy, cross_entropy, mean_squared_error, soft_cross_entropy};

/// The mean loss, `[]`, of scores `[N, K]` or `[N, H, W, K]` that fits the targets: cross-entropy for classes, for each pixel of
/// a map; binary cross-entropy for labels; squared error for values. The label smoothing is that of classes.
///
/// `positive_weights` are for labels; see [`binary_cross_entropy`].
///
/// # Panics
/// If the scores don't have the targets' shape.
#[must_use]
pub fn fitting_loss(
    scores: &Var<f32>,
    targets: &Targets,
    label_smoothing: f64,
    positive_weights: Option<&[f64]>,
) -> Var<f32> {
    match targets {
        Targets::Classes { soft: Some(targets), .. } => soft_cross_entropy(scores, targets, label_smoothing),
        Targets::Classes { labels, soft: None } | Targets::Map(labels) => {
            cross_entropy(scores, labels, label_smoothing)
        }
        Targets::Labels(labels) => binary_cross_entropy(scores, labels, positive_weights),
        Targets::Values(values) => mean_squared_error(scores, values),
    }
}
