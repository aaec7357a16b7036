//! Ablation-CAM.

use std::ops::ControlFlow;

use nn::{Real, Source};
use tensor::Tensor;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::methods::weighted_sum;
use crate::pass::{LayerRef, Pass, of_image};
use crate::target::Target;
use crate::variants::{Progress, Runner, Variants};

impl<T: Real> Pass<'_, T> {
    /// Ablation-CAM: each channel weighted by how much the score falls without it. (Desai and Ramaswamy, *Ablation-CAM:
    /// Visual Explanations for Deep Convolutional Network via Gradient-free Localization*, 2020.)
    ///
    /// ```text
    /// w_c = (S − S_c) / S,    S_c the score with f_c set to zero      (eq. 3)
    /// M   = Σ_c w_c f_c                                                (eq. 5, whose ReLU is left to the display)
    /// ```
    ///
    /// For each channel the layers after this one are run once. Where S is negative the paper's division would turn the map
    /// round, so that it is divided by |S| here; a score of zero is not divided by.
    ///
    /// # Errors
    /// Where there is no such layer, its output has no positions, the target doesn't fit, or when `progress` breaks it off.
    pub fn ablation_cam<'a>(
        &self,
        layer: impl Into<LayerRef<'a>>,
        target: impl Into<Target<T>>,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let (layer, target) = (self.spatial(layer.into())?, target.into());
        let resolved = self.resolve(&target)?;
        let batch = self.var(Source::Layer(layer)).value();
        let channels = batch.shape()[3];
        let whole = resolved.scores(self.logits(), &self.every_image())?;
        let mut runner = Runner::new(self.images() * channels, &mut progress);
        let mut map = |image: usize| {
            let features = of_image(batch, image);
            let variants = Variants { image, original: features, count: channels };
            let without = |c: usize, values: &mut [T]| {
                values.iter_mut().skip(c).step_by(channels).for_each(|f| *f = T::zero());
            };
            let run = |batch: Tensor<T>| Ok(self.model.resume(layer, &batch, self.forward(), image));
            let scores = runner.scores(&resolved, &variants, without, run)?;
            let scale = if whole[image].is_zero() { T::one() } else { whole[image].abs() };
            let weights: Vec<T> = scores.into_iter().map(|score| (whole[image] - score) / scale).collect();
            Ok(self.heatmap(image, layer, weighted_sum(features, &weights), false))
        };
        let maps = (0..self.images()).map(&mut map).collect::<Result<_, ExplainError>>()?;
        let layers = vec![self.layer_name(layer)];
        Ok(Explanation { layers, ..self.input_level("Ablation-CAM", &target, maps) })
    }
}
