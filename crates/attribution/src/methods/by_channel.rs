//! Maps whose channel weights come from one run of the model for each channel.

use ndarray::ArrayView3;
use nn::{Real, Source};

use super::shared::weighted_sum;
use crate::error::ExplainError;
use crate::map::{Map, Quantity};
use crate::pass::{Runner, of_image};
use crate::question::Question;
use crate::target::Resolved;

/// One image's features at a layer.
pub(super) struct Channels<'p, T: Real> {
    pub(super) layer: usize,
    pub(super) image: usize,
    /// `[h, w, C]`.
    pub(super) features: ArrayView3<'p, T>,
}

impl<T: Real> Channels<'_, T> {
    /// C.
    pub(super) fn count(&self) -> usize {
        self.features.dim().2
    }
}

/// Σ_c w_c f_c at a layer, where `weights` returns w for each image.
pub(super) fn by_channel<T: Real>(
    question: &Question<'_, T>,
    mut weights: impl FnMut(&mut Runner<'_>, &Resolved<T>, &Channels<'_, T>) -> Result<Vec<T>, ExplainError>,
) -> Result<Vec<Map<T>>, ExplainError> {
    let (pass, resolved) = (question.pass(), question.resolve()?);
    let channels = |layer: usize| pass.var(Source::Layer(layer)).shape().last().copied().unwrap_or(0);
    let mut runner = question.runner(question.spatial_layers()?.into_iter().map(channels).sum());
    question.over_layers(|layer| {
        let features = pass.features(layer);
        let mut map = |image: usize| {
            let channels = Channels { layer, image, features: of_image(&features, image) };
            let weights = weights(&mut runner, &resolved, &channels)?;
            let values = weighted_sum(channels.features, &weights);
            Ok(runner.traced(pass.cell_map(image, Quantity::Evidence, layer, values, false)))
        };
        (0..pass.images()).map(&mut map).collect()
    })
}
