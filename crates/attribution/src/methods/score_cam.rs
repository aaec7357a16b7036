//! Score-CAM.

use std::ops::ControlFlow;

use ndarray::Axis;
use nn::Real;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::pass::{LayerRef, Pass, softmax};
use crate::target::Target;
use crate::upsample::{Alignment, upsample};
use crate::variants::Progress;

impl<T: Real> Pass<'_, T> {
    /// Score-CAM: each channel weighted by the score of the image seen through it. (Wang, Wang, Du, Yang, Zhang, Ding,
    /// Mardziel and Hu, *Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks*, 2020.)
    ///
    /// ```text
    /// mask_c = f_c upsampled to the image, then scaled to [0, 1]      (eqs. 4 and 5)
    /// a      = softmax over the channels of S(x ⊙ mask_c)             (Algorithm 1)
    /// M      = Σ_c a_c f_c                                             (eq. 6, whose ReLU is left to the display)
    /// ```
    ///
    /// The model is run once for each channel. A channel that is the same everywhere masks the whole image. The softmax
    /// makes the weights depend on the scores' scale: with large scores one channel takes all. (The paper's score is the rise
    /// over that of an image without anything, which is the same for all channels, so that the softmax doesn't see it.)
    ///
    /// # Errors
    /// Where there is no such layer, its output has no positions, the target doesn't fit, or when `progress` breaks it off.
    pub fn score_cam<'a>(
        &self,
        layer: impl Into<LayerRef<'a>>,
        target: impl Into<Target<T>>,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let [height, width, colours] = self.model.input_shape();
        self.by_channel("Score-CAM", layer.into(), &target.into(), progress, |runner, target, channels| {
            let through = |c: usize, values: &mut [T]| {
                let mask = upsample(channels.features.index_axis(Axis(2), c), height, width, Alignment::HalfPixel);
                let min = mask.iter().copied().fold(T::infinity(), T::min);
                let range = mask.iter().copied().fold(T::neg_infinity(), T::max) - min;
                for (pixel, &m) in values.chunks_exact_mut(colours).zip(&mask) {
                    let open = if range > T::zero() { (m - min) / range } else { T::zero() };
                    pixel.iter_mut().for_each(|x| *x *= open);
                }
            };
            let seen = self.variants(channels.image, channels.count());
            let mut weights = runner.scores(target, &seen, through, |x| self.model.predict(x))?;
            softmax(&mut weights);
            Ok(weights)
        })
    }
}
