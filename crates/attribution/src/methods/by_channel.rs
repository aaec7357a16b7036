//! Maps that weigh a layer's channels by running the model once for each.

use std::ops::ControlFlow;

use ndarray::ArrayView3;
use nn::{Real, Source};

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::methods::weighted_sum;
use crate::pass::{LayerRef, Pass, of_image};
use crate::target::{Resolved, Target};
use crate::variants::{Progress, Runner};

/// One image's features at a layer.
pub(crate) struct Channels<'p, T: Real> {
    pub(crate) layer: usize,
    pub(crate) image: usize,
    /// `[h, w, C]`.
    pub(crate) features: ArrayView3<'p, T>,
}

impl<T: Real> Channels<'_, T> {
    /// C.
    pub(crate) fn count(&self) -> usize {
        self.features.dim().2
    }
}

impl<T: Real> Pass<'_, T> {
    /// Σ_c w_c f_c at a layer, where `weights` gives w for each image.
    pub(crate) fn by_channel<'a, F: FnMut(Progress) -> ControlFlow<()>>(
        &self,
        method: &'static str,
        layer: LayerRef<'a>,
        target: &Target<T>,
        mut progress: F,
        mut weights: impl FnMut(&mut Runner<'_, F>, &Resolved<T>, &Channels<'_, T>) -> Result<Vec<T>, ExplainError>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let layer = self.spatial(layer)?;
        let resolved = self.resolve(target)?;
        let batch = self.var(Source::Layer(layer)).value();
        let mut runner = Runner::new(self.images() * batch.shape()[3], &mut progress);
        let mut map = |image: usize| {
            let channels = Channels { layer, image, features: of_image(batch, image) };
            let weights = weights(&mut runner, &resolved, &channels)?;
            Ok(self.heatmap(image, layer, weighted_sum(channels.features, &weights), false))
        };
        let maps = (0..self.images()).map(&mut map).collect::<Result<_, ExplainError>>()?;
        let layers = vec![self.layer_name(layer)];
        Ok(Explanation { layers, ..self.input_level(method, target, maps) })
    }
}
