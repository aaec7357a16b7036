//! Eigen-CAM.

use ndarray::{Array1, Array2, ArrayView3};
use nn::{Real, Source};

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::pass::{LayerRef, Pass, of_image};

/// The power iteration ends when its direction moves by less than this, or after so many steps: then the two largest
/// singular values are so close that their directions mean nothing apart.
const STEADY: f64 = 1e-13;
const STEPS: usize = 2000;

/// The features' principal component: `[h, w, C]` → `[h, w]`.
///
/// With the features as a matrix F, a row for each position, and its singular value decomposition F = UΣVᵀ:
///
/// ```text
/// M = F v₁
/// ```
///
/// with v₁ the first right singular vector, signed so that the map's sum isn't negative. Muhammad and Yeasin, *Eigen-CAM:
/// Class Activation Map using Principal Components*, 2020, eq. 3. Nothing is centred. v₁ comes from a power iteration on
/// FᵀF, in double precision. Of features that aren't finite nothing is either.
#[must_use]
pub fn eigen_cam<T: Real>(features: ArrayView3<T>) -> Array2<T> {
    let (h, w, channels) = features.dim();
    let scale = features.iter().fold(0.0_f64, |most, f| most.max(f.as_f64().abs()));
    let scale = if scale > 0.0 { scale } else { 1.0 };
    let matrix = features.mapv(|f| f.as_f64() / scale).into_shape_clone((h * w, channels)).expect("the same elements");
    let unit = |v: Array1<f64>| match v.dot(&v).sqrt() {
        0.0 => v,
        length => v / length,
    };
    // Positive and irregular: never orthogonal to v₁ where the features aren't negative, and elsewhere only by chance.
    let mut direction = unit(Array1::from_shape_fn(channels, |c| 0.5 + (c as f64 * 0.754_877_666).fract()));
    for _ in 0..STEPS {
        let next = unit(matrix.t().dot(&matrix.dot(&direction)));
        let moved = (&next - &direction).mapv(f64::abs).sum();
        direction = next;
        if moved < STEADY || moved.is_nan() {
            break;
        }
    }
    let map = matrix.dot(&direction) * scale;
    let sign = if map.sum() < 0.0 { -1.0 } else { 1.0 };
    map.mapv(|m| T::from_f64(sign * m)).into_shape_with_order((h, w)).expect("one value for each position")
}

impl<T: Real> Pass<'_, T> {
    /// Eigen-CAM: what the layer's features have in common. It knows no class, and needs no backward pass.
    ///
    /// # Errors
    /// Where there is no such layer, or its output has no positions.
    pub fn eigen_cam<'a>(&self, layer: impl Into<LayerRef<'a>>) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let layer = self.spatial(layer.into())?;
        let features = self.var(Source::Layer(layer)).value();
        let map = |image| self.heatmap(image, layer, eigen_cam(of_image(features, image)), false);
        Ok(Explanation {
            method: "Eigen-CAM",
            target: "no class".into(),
            layers: vec![self.layer_name(layer)],
            coverage: None,
            maps: (0..self.images()).map(map).collect(),
        })
    }
}
