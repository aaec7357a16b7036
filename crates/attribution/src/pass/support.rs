//! Helpers of a pass for the methods.

use std::sync::{Arc, MutexGuard, PoisonError};

use ndarray::{Array2, Array3, ArrayView3, Axis, Ix3};
use nn::{Real, Source, Task};
use tensor::{BackwardError, Exact, Rule, Tensor, Var};

use super::Pass;
use super::gradients::{Backward, GradientCache, Reading, depth};
use super::variants::Variants;
use crate::error::ExplainError;
use crate::layer::LayerRef;
use crate::map::{Cells, Map, Origin, Placement, Quantity, Verdict};
use crate::path::{Path, values_between};
use crate::target::{Resolved, Seed, Target};

impl<T: Real> Pass<'_, T> {
    /// `count` variants of an image.
    pub(crate) fn variants(&self, image: usize, count: usize) -> Variants<'_, T> {
        Variants { image, original: of_image(self.input(), image), count }
    }

    /// The image's values, `[H, W, C]`.
    pub(crate) fn values_of(&self, image: usize) -> &[T] {
        one_of(self.input(), image)
    }

    pub(crate) fn every_image(&self) -> Vec<usize> {
        (0..self.images()).collect()
    }

    pub(crate) fn resolve(&self, target: &Target<T>) -> Result<Resolved<T>, ExplainError> {
        target.resolve(self)
    }

    /// Where a backward pass begins, and with which gradient.
    pub(crate) fn seed(&self, target: &Target<T>) -> Result<Seed<T>, ExplainError> {
        let resolved = self.resolve(target)?;
        let gradient = resolved.seed(self.outputs_for(&resolved), &self.every_image())?;
        Ok(Seed { layer: resolved.layer, gradient })
    }

    /// The outputs `[N, …]` that the target is a function of.
    pub(crate) fn outputs_for(&self, resolved: &Resolved<T>) -> &Tensor<T> {
        self.forward.activation(resolved.layer).value()
    }

    /// The target's score of each image.
    pub(crate) fn scores_of(&self, resolved: &Resolved<T>) -> Result<Vec<T>, ExplainError> {
        resolved.scores(self.outputs_for(resolved), &self.every_image())
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
        match self.model.grids()[layer] {
            Some(_) => Ok(layer),
            None => Err(self.not_spatial(layer)),
        }
    }

    /// The index of a layer whose output has positions and that comes before the target's; by default the last of those.
    pub(crate) fn spatial_for(&self, target: &Target<T>, layer: LayerRef<'_>) -> Result<usize, ExplainError> {
        let end = self.resolve(target)?.layer;
        match (layer, self.model.layers().len() - 1) {
            (LayerRef::Last, last) if end < last => {
                let before = self.model.last_spatial_before(end);
                // If no layer before the target's has positions, the target's own layer is explained.
                before.or_else(|| self.model.last_spatial_before(end + 1)).ok_or_else(|| self.not_spatial(end))
            }
            _ => {
                let layer = self.spatial(layer)?;
                self.check_before(layer, end)?;
                Ok(layer)
            }
        }
    }

    /// Checks that a layer isn't after the target's.
    pub(super) fn check_before(&self, layer: usize, target: usize) -> Result<(), ExplainError> {
        if layer <= target {
            return Ok(());
        }
        Err(ExplainError::AfterTarget { layer: self.layer_name(layer), target: self.layer_name(target) })
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

    /// The values or gradients `[N, …, C]` of a layer with positions, in their places: `[N, H, W, C]`.
    pub(crate) fn on_grid(&self, layer: usize, values: &Tensor<T>) -> Tensor<T> {
        let grid = self.model.grids()[layer].as_ref();
        grid.expect("a layer with positions").on_grid(values)
    }

    /// The features of a layer with positions, `[N, H, W, C]`.
    pub(crate) fn features(&self, layer: usize) -> Tensor<T> {
        self.on_grid(layer, self.var(Source::Layer(layer)).value())
    }

    /// The gradients of a target under a rule, `to` included.
    pub(crate) fn backward(&self, rule: Reading, to: Source, seed: &Seed<T>) -> Result<Backward<T>, ExplainError> {
        let cached = self.cache().get(rule, seed);
        let mut backward = cached.unwrap_or_else(|| Backward::new(rule, seed));
        if backward.at(to).is_none() {
            let passes = usize::from(backward.is_empty());
            backward.reach(self, to)?;
            self.cache().insert(backward.clone(), passes);
        }
        Ok(backward)
    }

    /// Locks the cache. Compute nothing under this lock: a worker thread that waits for a parallel loop may meanwhile
    /// run another task, and that task may need the lock.
    pub(super) fn cache(&self) -> MutexGuard<'_, GradientCache<T>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gradients under the chain rule at every value between the image and the target's layer.
    pub(crate) fn path(&self, seed: &Seed<T>) -> Result<Path<T>, ExplainError> {
        Ok(Path::under(&Exact, [self.forward().input(), self.var(Source::Layer(seed.layer))], &seed.gradient)?)
    }

    /// Checks that a rule applies to the path from the logits to the image.
    pub(crate) fn check_rule(&self, rule: &dyn Rule<T>) -> Result<(), ExplainError> {
        let between = values_between(self.forward().input(), self.forward().logits());
        let nodes = self.tape().nodes();
        let path: Vec<_> = between[1..].iter().rev().map(|value| Arc::clone(&nodes[value.id()])).collect();
        let refused = |reason| BackwardError::Refused { rule: rule.name(), reason };
        Ok(rule.check(&path).map_err(refused)?)
    }

    /// A map of one image with its verdict.
    fn map(
        &self,
        image: usize,
        quantity: Quantity,
        placement: Placement,
        values: Array3<T>,
        zero_gradient: bool,
    ) -> Map<T> {
        let origin = || self.first_non_finite(image);
        let verdict = Verdict::of(quantity, values.iter().map(|v| v.as_f64()), zero_gradient, origin);
        let [height, width, _] = self.model.input_shape();
        let crop = self.model.info().crop;
        let (input, layers, coverage) = ([height, width], Vec::new(), None);
        Map { values, quantity, placement, verdict, input, crop, layers, coverage }
    }

    /// A map of a layer's cells, `[h, w]`.
    pub(crate) fn cell_map(
        &self,
        image: usize,
        quantity: Quantity,
        layer: usize,
        values: Array2<T>,
        zero_gradient: bool,
    ) -> Map<T> {
        let placement = self.cells[layer].map_or(Placement::Stretched, Placement::Cells);
        let map = self.map(image, quantity, placement, values.insert_axis(Axis(2)), zero_gradient);
        Map { layers: vec![self.layer_name(layer)], ..map }
    }

    /// A map of cells as small as the image's pixels, `[H, W]`, which is drawn like a layer's map.
    pub(crate) fn fine_map(&self, image: usize, quantity: Quantity, values: Array2<T>) -> Map<T> {
        self.map(image, quantity, Placement::Cells(Cells::PIXELS), values.insert_axis(Axis(2)), false)
    }

    /// A map of the image's values, `[H, W, C]`.
    pub(crate) fn pixel_map(&self, image: usize, quantity: Quantity, values: Array3<T>, zero_gradient: bool) -> Map<T> {
        self.map(image, quantity, Placement::Pixels, values, zero_gradient)
    }

    /// Maps of each image's values, `[N, H, W, C]`; they were computed from `gradient`.
    pub(crate) fn pixel_maps(&self, quantity: Quantity, values: &Tensor<T>, gradient: &Tensor<T>) -> Vec<Map<T>> {
        let zero = |image| of_image(gradient, image).iter().all(|g| g.is_zero());
        let map = |image| self.pixel_map(image, quantity, of_image(values, image).to_owned(), zero(image));
        (0..self.images()).map(map).collect()
    }

    /// Where infinity or NaN first arose for an image on the forward pass.
    fn first_non_finite(&self, image: usize) -> Option<Origin> {
        if self.is_broken(self.input(), image) {
            return Some(Origin::Image);
        }
        let mut layers = 0..self.model.layers().len();
        let broken = layers.find(|&layer| self.is_broken(self.forward.activation(layer).value(), image))?;
        Some(Origin::Output(self.layer_name(broken)))
    }

    /// Completes the verdict on a map of gradients. If infinity or NaN didn't arise on the forward pass, the verdict
    /// names where they first arose on the backward pass.
    pub(crate) fn traced(&self, verdict: Verdict, image: usize, backward: &Backward<T>) -> Verdict {
        let Verdict::NonFinite { origin: None } = verdict else { return verdict };
        let first = backward.logits_first().find(|(_, gradient)| self.is_broken(gradient, image));
        let origin = |depth: usize| match depth.checked_sub(1) {
            Some(layer) => Origin::Gradient(self.layer_name(layer)),
            None => Origin::Image,
        };
        Verdict::NonFinite { origin: first.map(|(depth, _)| origin(depth)) }
    }

    /// Whether one image's part of `[N, …]` contains infinity or NaN.
    fn is_broken(&self, values: &Tensor<T>, image: usize) -> bool {
        one_of(values, image).iter().any(|v| !v.is_finite())
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

/// One image's part of `[N, …]`.
pub(crate) fn one_of<T: Real>(batch: &Tensor<T>, image: usize) -> &[T] {
    let each = batch.len() / batch.shape()[0];
    &batch.as_slice()[image * each..][..each]
}

/// The softmax: e^(y − max y), divided by the sum.
pub(crate) fn softmax<T: Real>(values: &mut Vec<T>) {
    let row = Tensor::new([values.len()], std::mem::take(values));
    *values = Task::Classes.outputs(&row).as_slice().to_vec();
}
