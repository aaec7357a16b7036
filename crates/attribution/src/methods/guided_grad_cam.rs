//! Guided Grad-CAM.

use ndarray::Axis;
use nn::Real;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Placement;
use crate::pass::{LayerRef, Pass};
use crate::saliency::Saliency;
use crate::target::Target;
use crate::verdict::Verdict;

impl<T: Real> Pass<'_, T> {
    /// Guided Grad-CAM: guided backpropagation, multiplied point by point by the positive part of Grad-CAM upsampled to the
    /// image (bilinear, stretched edge to edge). `[H, W, C]`, signed. (Selvaraju et al. 2017, §3.1 and Figure 2.)
    ///
    /// The Grad-CAM inside uses the exact gradient, as in the paper, and isn't scaled. Sharpness comes from guided
    /// backpropagation, which depends little on the class; what the map says about the class comes from Grad-CAM.
    ///
    /// # Errors
    /// As for [`guided_backprop`](Self::guided_backprop) and [`grad_cam`](Self::grad_cam).
    pub fn guided_grad_cam<'a>(
        &self,
        layer: impl Into<LayerRef<'a>>,
        target: impl Into<Target<T>>,
    ) -> Result<Explanation<Saliency<T>>, ExplainError> {
        let (layer, target) = (layer.into(), target.into());
        let heatmaps = self.grad_cam(layer, target.clone())?;
        let guided = self.guided_backprop(target)?;
        let both = guided.maps.into_iter().zip(heatmaps.maps).enumerate();
        let product = both.map(|(image, (guided, heatmap))| {
            let place = heatmap.positive_over_input(Placement::Stretched).insert_axis(Axis(2));
            let product = self.saliency(image, guided.values * &place, false);
            match (heatmap.verdict, guided.verdict) {
                (Verdict::Evidence { .. } | Verdict::Flat { .. }, verdict @ Verdict::NonFinite { .. }) => {
                    Saliency { verdict, ..product }
                }
                (Verdict::Evidence { .. } | Verdict::Flat { .. }, _) => product,
                // Nothing to guide by: Grad-CAM's verdict says why.
                (verdict, _) => Saliency { verdict, ..product },
            }
        });
        Ok(Explanation {
            method: "guided Grad-CAM",
            target: guided.target,
            layers: heatmaps.layers,
            coverage: guided.coverage,
            maps: product.collect(),
        })
    }
}
