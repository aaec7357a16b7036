//! What the methods need of a pass.

use std::sync::{MutexGuard, PoisonError};

use ndarray::{Array2, Array3, ArrayView3, Ix3};
use nn::{Real, Source};
use tensor::{Tensor, Var};

use super::{LayerRef, Pass};
use crate::error::ExplainError;
use crate::geometry::Cells;
use crate::gradients::{Backward, GradientCache, Reading, depth};
use crate::heatmap::Heatmap;
use crate::saliency::Saliency;
use crate::target::{Resolved, Target};
use crate::variants::Variants;
use crate::verdict::{Arose, Values, Verdict};

impl<T: Real> Pass<'_, T> {
    /// `count` variants of an image.
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

    /// ∂S/∂logits, `[N, classes]`: the seed of a backward pass.
    pub(crate) fn seed(&self, target: &Target<T>) -> Result<Tensor<T>, ExplainError> {
        self.resolve(target)?.seed(self.logits(), &self.every_image())
    }

    /// The index of a layer.
    pub(crate) fn layer(&self, layer: LayerRef<'_>) -> Result<usize, ExplainError> {
        match layer {
            LayerRef::Last => self.model.last_spatial_layer().ok_or_else(|| self.not_spatial(0)),
            LayerRef::Name(name) => Ok(self.model.layer_index(name)?),
            LayerRef::Index(index) if index < self.model.layers().len() => Ok(index),
            LayerRef::Index(index) => Ok(self.model.layer_index(&index.to_string())?),
        }
    }

    /// The index of a layer whose output has positions.
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
    pub(crate) fn var(&self, source: Source) -> &Var<T> {
        match source {
            Source::Image => self.forward.input(),
            Source::Layer(layer) => self.forward.activation(layer),
        }
    }

    /// The gradients of a target under a rule, `to` included.
    pub(crate) fn backward(&self, rule: Reading, to: Source, seed: &Tensor<T>) -> Result<Backward<T>, ExplainError> {
        let cached = self.cache().get(rule, seed);
        let mut backward = cached.unwrap_or_else(|| Backward::new(rule, seed));
        if backward.at(to).is_none() {
            let passes = usize::from(backward.is_empty());
            backward.reach(self, to)?;
            self.cache().insert(backward.clone(), passes);
        }
        Ok(backward)
    }

    /// Locks the cache. Compute nothing under this lock: a worker thread that waits for a parallel loop may run another
    /// task meanwhile, and that task may want the lock.
    pub(super) fn cache(&self) -> MutexGuard<'_, GradientCache<T>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A map of a layer's cells with its verdict.
    pub(crate) fn heatmap(&self, image: usize, layer: usize, values: Array2<T>, zero_gradient: bool) -> Heatmap<T> {
        self.heatmap_of(image, self.cells[layer], values, zero_gradient)
    }

    /// A map of these cells with its verdict.
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

    /// Maps `[N, H, W, C]` of the images' values with their verdicts; `gradient` is what they were computed from.
    pub(crate) fn saliencies(&self, values: &Tensor<T>, gradient: &Tensor<T>) -> Vec<Saliency<T>> {
        let zero = |image| of_image(gradient, image).iter().all(|g| g.is_zero());
        (0..self.images()).map(|image| self.saliency_of(image, values, zero(image))).collect()
    }

    /// Maps of `f(x, g)`, where g is the gradient at the image x.
    pub(crate) fn saliencies_by(&self, backward: &Backward<T>, f: impl Fn(T, T) -> T + Sync) -> Vec<Saliency<T>> {
        let gradient = backward.at(Source::Image).expect("computed");
        let maps = self.saliencies(&self.input().clone().zip(gradient, f), gradient).into_iter().enumerate();
        let traced =
            |(image, map): (usize, Saliency<T>)| Saliency { verdict: self.traced(map.verdict, image, backward), ..map };
        maps.map(traced).collect()
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

    /// Where infinity or NaN first arose for an image on the forward pass.
    fn first_non_finite(&self, image: usize) -> Option<Arose> {
        if self.is_broken(self.input(), image) {
            return Some(Arose::Image);
        }
        let mut layers = 0..self.model.layers().len();
        let broken = layers.find(|&layer| self.is_broken(self.forward.activation(layer).value(), image))?;
        Some(Arose::Output(self.layer_name(broken)))
    }

    /// Completes the verdict on a map of gradients: if infinity or NaN didn't arise on the forward pass, it names where
    /// they first arose on the backward pass.
    pub(crate) fn traced(&self, verdict: Verdict, image: usize, backward: &Backward<T>) -> Verdict {
        let Verdict::NonFinite { arose: None } = verdict else { return verdict };
        let first = backward.logits_first().find(|(_, gradient)| self.is_broken(gradient, image));
        let arose = |depth: usize| match depth.checked_sub(1) {
            Some(layer) => Arose::Gradient(self.layer_name(layer)),
            None => Arose::Image,
        };
        Verdict::NonFinite { arose: first.map(|(depth, _)| arose(depth)) }
    }

    /// Whether one image's part of `[N, …]` contains infinity or NaN.
    fn is_broken(&self, values: &Tensor<T>, image: usize) -> bool {
        let each = values.len() / self.images();
        values.as_slice()[image * each..][..each].iter().any(|v| !v.is_finite())
    }

    /// Whether every path from the image to the logits passes this layer.
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
