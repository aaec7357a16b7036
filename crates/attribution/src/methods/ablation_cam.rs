//! Ablation-CAM.

use std::ops::ControlFlow;

use nn::Real;
use tensor::Tensor;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::methods::by_channel::Channels;
use crate::pass::{LayerRef, Pass};
use crate::target::Target;
use crate::variants::{Progress, Variants};

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
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let target = target.into();
        let whole = self.scores(target.clone())?;
        self.by_channel("Ablation-CAM", layer.into(), &target, progress, |runner, target, channels| {
            let &Channels { layer, image, features } = channels;
            let without = |c: usize, values: &mut [T]| {
                values.iter_mut().skip(c).step_by(channels.count()).for_each(|f| *f = T::zero());
            };
            let ablated = Variants { image, original: features, count: channels.count() };
            let run = |batch: Tensor<T>| Ok(self.model.resume(layer, &batch, self.forward(), image));
            let scores = runner.scores(target, &ablated, without, run)?;
            let scale = if whole[image].is_zero() { T::one() } else { whole[image].abs() };
            Ok(scores.into_iter().map(|score| (whole[image] - score) / scale).collect())
        })
    }
}
