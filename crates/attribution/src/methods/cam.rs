//! Class activation mapping.

use ndarray::{Array2, ArrayView3};
use nn::{Real, Source};

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::methods::weighted_sum;
use crate::pass::{Pass, of_image};
use crate::target::Target;

/// M_CAM = Σ_c w_c^class f^K_c, signed: neither bias nor ReLU. f^K `[h, w, C]`, w^class `[C]` → `[h, w]`.
///
/// Zhou, Khosla, Lapedriza, Oliva and Torralba, *Learning Deep Features for Discriminative Localization*, 2016, eq. 2.
#[must_use]
pub fn cam<T: Real>(features: ArrayView3<T>, weights: &[T]) -> Array2<T> {
    weighted_sum(features, weights)
}

impl<T: Real> Pass<'_, T> {
    /// CAM: the last feature map, weighted by the class's weights in the fully connected layer.
    ///
    /// The model must end in global average pooling and that one layer. Then the mean of the map plus the bias *is* the
    /// class score, and the map is Grad-CAM's times the number of positions. Of a target that is no single class, the
    /// weights are the same combination of the classes' weights (for a function of the logits, to first order).
    ///
    /// # Errors
    /// [`ExplainError::NoGapHead`] on any other model; and where the target doesn't fit.
    pub fn cam(&self, target: impl Into<Target<T>>) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let target = target.into();
        let head = self.model.gap_head().ok_or_else(|| ExplainError::NoGapHead { found: self.ending() })?;
        let weight = self.model.parameter(&format!("{}.weight", self.layer_name(head.linear)));
        let weight = weight.expect("a fully connected layer has weights").as_slice(); // [C, classes]
        let seed = self.seed(&target)?; // [N, classes]
        let classes = self.model.classes();
        let features = self.var(Source::Layer(head.features)).value();
        let map = |image: usize| {
            let coefficients = &seed.as_slice()[image * classes..][..classes];
            let combined = |row: &[T]| {
                let terms = row.iter().zip(coefficients).filter(|(_, c)| !c.is_zero());
                terms.map(|(&w, &c)| w * c).sum()
            };
            let weights: Vec<T> = weight.chunks_exact(classes).map(combined).collect();
            let zero = weights.iter().all(|w| w.is_zero());
            self.heatmap(image, head.features, cam(of_image(features, image), &weights), zero)
        };
        Ok(Explanation {
            method: "CAM",
            target: target.to_string(),
            layers: vec![self.layer_name(head.features)],
            coverage: None,
            maps: (0..self.images()).map(map).collect(),
        })
    }

    /// The last layers, in words.
    fn ending(&self) -> String {
        let layers = self.model.layers();
        let last: Vec<String> = layers[layers.len().saturating_sub(3)..].iter().map(|l| l.layer.to_string()).collect();
        last.join(" → ")
    }
}
