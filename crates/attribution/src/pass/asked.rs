//! What methods ask of a pass.

use std::sync::PoisonError;

use ndarray::{Array2, Array3, ArrayView3, Ix3};
use nn::{Real, Source};
use tensor::{Tensor, Var};

use super::{LayerRef, Pass};
use crate::error::ExplainError;
use crate::geometry::Cells;
use crate::gradients::{Backward, Reading, depth};
use crate::heatmap::Heatmap;
use crate::saliency::Saliency;
use crate::target::{Resolved, Target};
use crate::variants::Variants;
use crate::verdict::{Arose, Values, Verdict};

impl<T: Real> Pass<'_, T> {
    /// Variants of an image to come.
    pub(crate) fn variants(&self, image: usize, count: usize) -> Variants<'_, T> {
        Variants { image, original: of_image(self.input(), image), count }
    }

    /// The image's values, `[H, W, C]`.
    pub(crate) fn values_of(&self, image: usize) -> &[T] {
        let each = self.input().len() / self.images();
        &self.input().as_slice()[image * each..][..each]
    }

    pub(crate) fn every_image(&self) -> Vec<usize> {
        (0..self.images()).collect()
    }

    pub(crate) fn resolve(&self, target: &Target<T>) -> Result<Resolved<T>, ExplainError> {
        target.resolve(self.model, self.logits())
    }

    /// ∂S/∂logits, `[N, classes]`: what a backward pass begins with.
    pub(crate) fn seed(&self, target: &Target<T>) -> Result<Tensor<T>, ExplainError> {
        self.resolve(target)?.seed(self.logits(), &self.every_image())
    }

    /// The place of a layer.
    pub(crate) fn layer(&self, layer: LayerRef<'_>) -> Result<usize, ExplainError> {
        match layer {
            LayerRef::Last => self.model.last_spatial_layer().ok_or_else(|| self.not_spatial(0)),
            LayerRef::Name(name) => Ok(self.model.layer_index(name)?),
            LayerRef::Index(index) if index < self.model.layers().len() => Ok(index),
            LayerRef::Index(index) => Ok(self.model.layer_index(&index.to_string())?),
        }
    }

    /// The place of a layer whose output has positions.
    pub(crate) fn spatial(&self, layer: LayerRef<'_>) -> Result<usize, ExplainError> {
        let layer = self.layer(layer)?;
        match self.model.layers()[layer].output_shape.len() {
            3 => Ok(layer),
            _ => Err(self.not_spatial(layer)),
        }
    }

    fn not_spatial(&self, layer: usize) -> ExplainError {
        let node = &self.model.layers()[layer];
        let spatial = self.spatial_layers().into_iter().map(String::from).collect();
        ExplainError::NotSpatial { layer: node.name.clone(), shape: node.output_shape.clone(), spatial }
    }

    pub(crate) fn layer_name(&self, layer: usize) -> String {
        self.model.layers()[layer].name.clone()
    }

    /// The output of a layer, `[N, …]`, or the image.
    pub(crate) fn var(&self, place: Source) -> &Var<T> {
        match place {
            Source::Image => &self.forward.input,
            Source::Layer(layer) => self.forward.activation(layer),
        }
    }

    /// ∂S/∂f by the chain rule.
    pub(crate) fn exact_gradient(&self, place: Source, seed: &Tensor<T>) -> Result<Tensor<T>, ExplainError> {
        Ok(self.backward(Reading::Exact, place, seed)?.gradient)
    }

    /// What a rule lets through to a layer's output, or to the image.
    pub(crate) fn backward(&self, rule: Reading, to: Source, seed: &Tensor<T>) -> Result<Backward<T>, ExplainError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.backward(self, rule, to, seed)
    }

    /// A map of a layer's cells, and what it says.
    pub(crate) fn heatmap(&self, image: usize, layer: usize, values: Array2<T>, zero_gradient: bool) -> Heatmap<T> {
        self.heatmap_of(image, self.cells[layer], values, zero_gradient)
    }

    /// A map of cells that lie so, and what it says.
    pub(crate) fn heatmap_of(
        &self,
        image: usize,
        cells: Option<Cells>,
        values: Array2<T>,
        zero_gradient: bool,
    ) -> Heatmap<T> {
        let found = Values::of(values.iter().map(|v| v.as_f64()));
        let verdict = Verdict::on_map(&found, zero_gradient, || self.first_non_finite(image));
        let [height, width, _] = self.model.input_shape();
        Heatmap { values, verdict, cells, input: [height, width], crop: self.model.info().crop }
    }

    /// Maps of the image's own values `[N, H, W, C]`, and what they say; `gradient` is what they were made from.
    pub(crate) fn saliencies(&self, values: &Tensor<T>, gradient: &Tensor<T>) -> Vec<Saliency<T>> {
        let zero = |image| of_image(gradient, image).iter().all(|g| g.is_zero());
        (0..self.images()).map(|image| self.saliency_of(image, values, zero(image))).collect()
    }

    /// The map of one image among `[N, H, W, C]`.
    pub(crate) fn saliency_of(&self, image: usize, values: &Tensor<T>, zero_gradient: bool) -> Saliency<T> {
        self.saliency(image, of_image(values, image).to_owned(), zero_gradient)
    }

    pub(crate) fn saliency(&self, image: usize, values: Array3<T>, zero_gradient: bool) -> Saliency<T> {
        let found = Values::of(values.iter().map(|v| v.as_f64()));
        let verdict = Verdict::on_signed(&found, zero_gradient, || self.first_non_finite(image));
        Saliency { values, verdict }
    }

    /// Where infinity or NaN first arose for an image: on the way forward, or else on a way back.
    fn first_non_finite(&self, image: usize) -> Option<Arose> {
        let broken = |values: &Tensor<T>| {
            let each = values.len() / self.images();
            values.as_slice()[image * each..][..each].iter().any(|v| !v.is_finite())
        };
        if broken(self.input()) {
            return Some(Arose::Image);
        }
        let layer = (0..self.model.layers().len()).find(|&layer| broken(self.forward.activation(layer).value()));
        if let Some(layer) = layer {
            return Some(Arose::Output(self.layer_name(layer)));
        }
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let place = cache.latest_gradients().rev().find(|(_, gradient)| broken(gradient))?.0;
        Some(place.checked_sub(1).map_or(Arose::Image, |layer| Arose::Gradient(self.layer_name(layer))))
    }

    /// Whether everything that reads the image or a layer before this one does so through this layer.
    pub(crate) fn is_cut(&self, layer: usize) -> bool {
        let later = &self.model.layers()[layer + 1..];
        later.iter().flat_map(|node| &node.inputs).all(|&source| depth(source) > layer)
    }
}

/// The part of `[N, H, W, C]` that belongs to one image: `[H, W, C]`.
pub(crate) fn of_image<T: Real>(batch: &Tensor<T>, image: usize) -> ArrayView3<'_, T> {
    let [h, w, c] = batch.shape()[1..] else { panic!("expected [N, H, W, C], found {}", batch.shape()) };
    let values = &batch.as_slice()[image * h * w * c..][..h * w * c];
    ArrayView3::from_shape(Ix3(h, w, c), values).expect("a tensor is contiguous")
}

/// e^(y − max y), divided by their sum.
pub(crate) fn softmax<T: Real>(values: &mut [T]) {
    let max = values.iter().copied().fold(T::neg_infinity(), T::max);
    values.iter_mut().for_each(|y| *y = (*y - max).exp());
    let sum: T = values.iter().copied().sum();
    values.iter_mut().for_each(|y| *y /= sum);
}
