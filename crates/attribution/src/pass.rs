//! What one forward pass left behind, and the gradients drawn from it.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, Array3, ArrayView3, Ix3};
use nn::{Forward, Mode, Model, Real, Source, on_pool};
use tensor::{Rule, Tape, Tensor, Var};

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::geometry::Cells;
use crate::gradients::{Backward, GradientCache, Reading, depth};
use crate::heatmap::Heatmap;
use crate::rules::coverage_in_words;
use crate::saliency::Saliency;
use crate::target::{Resolved, Target, ranked};
use crate::variants::Variants;
use crate::verdict::{Arose, Values, Verdict};

/// One forward pass, kept whole: every explanation is the same tape, read backwards under some rule.
///
/// A pass serves the images of one batch, each as if it were alone. Gradients are kept for the targets asked about last,
/// so that all methods and all layers share one backward pass for a target.
#[derive(Debug)]
pub struct Pass<'m, T: Real = f32> {
    pub(crate) model: &'m Model<T>,
    tape: Tape<T>,
    forward: Forward<T>,
    /// `[N, classes]`.
    probabilities: Tensor<T>,
    cells: Vec<Option<Cells>>,
    cache: Mutex<GradientCache<T>>,
}

/// A class and how likely the model holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The class.
    pub class: usize,
    /// Its name, or its number if it has none.
    pub name: String,
    /// Its probability, the softmax of the logits.
    pub probability: f64,
}

/// The layer that a method looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerRef<'a> {
    /// The last layer whose output has positions.
    #[default]
    Last,
    /// The layer of this name.
    Name(&'a str),
    /// The layer at this place in [`Model::layers`].
    Index(usize),
}

impl<'a> From<&'a str> for LayerRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl<'a> From<&'a String> for LayerRef<'a> {
    fn from(name: &'a String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for LayerRef<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl<'m, T: Real> Pass<'m, T> {
    pub(crate) fn new(model: &'m Model<T>, images: Tensor<T>) -> Result<Self, ExplainError> {
        let tape = Tape::new();
        let forward = model.forward(&tape, images, Mode::Evaluation)?;
        let mut probabilities = forward.logits.value().clone();
        probabilities.make_mut().chunks_exact_mut(model.classes()).for_each(softmax);
        let cells = Cells::of_layers(model);
        Ok(Self { model, tape, forward, probabilities, cells, cache: Mutex::default() })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &'m Model<T> {
        self.model
    }

    /// Number of images, N.
    #[must_use]
    pub fn images(&self) -> usize {
        self.input().shape()[0]
    }

    /// The model's input, `[N, H, W, C]`.
    #[must_use]
    pub fn input(&self) -> &Tensor<T> {
        self.forward.input.value()
    }

    /// The scores before the softmax, `[N, classes]`.
    #[must_use]
    pub fn logits(&self) -> &Tensor<T> {
        self.forward.logits.value()
    }

    /// The softmax of the scores, `[N, classes]`.
    #[must_use]
    pub fn probabilities(&self) -> &Tensor<T> {
        &self.probabilities
    }

    /// The tape, for backward passes of one's own.
    #[must_use]
    pub fn tape(&self) -> &Tape<T> {
        &self.tape
    }

    /// The variables of the forward pass: input, logits, the output of every layer.
    #[must_use]
    pub fn forward(&self) -> &Forward<T> {
        &self.forward
    }

    /// The `k` likeliest classes of the only image, likeliest first.
    ///
    /// # Panics
    /// Where several images were observed; see [`top_of`](Self::top_of).
    #[must_use]
    pub fn top(&self, k: usize) -> Vec<Prediction> {
        assert_eq!(self.images(), 1, "{} images were observed: ask for `top_of` one of them", self.images());
        self.top_of(0, k)
    }

    /// The `k` likeliest classes of one image, likeliest first.
    ///
    /// # Panics
    /// Where there is no such image.
    #[must_use]
    pub fn top_of(&self, image: usize, k: usize) -> Vec<Prediction> {
        let classes = self.model.classes();
        let logits = &self.logits().as_slice()[image * classes..][..classes];
        let probability = |class: usize| self.probabilities.as_slice()[image * classes + class].as_f64();
        let prediction =
            |class| Prediction { class, name: self.model.class_name(class), probability: probability(class) };
        ranked(logits).into_iter().take(k).map(prediction).collect()
    }

    /// The target's score S of each image.
    ///
    /// # Errors
    /// Where the target doesn't fit the model or the batch.
    pub fn scores(&self, target: impl Into<Target<T>>) -> Result<Vec<T>, ExplainError> {
        self.resolve(&target.into())?.scores(self.logits(), &self.every_image())
    }

    /// The layers whose outputs have positions, in order: what the class-activation family can look at.
    #[must_use]
    pub fn spatial_layers(&self) -> Vec<&'m str> {
        let spatial = self.model.layers().iter().filter(|node| node.output_shape.len() == 3);
        spatial.map(|node| node.name.as_str()).collect()
    }

    /// How many backward passes were run so far. One that was carried on from where an earlier one stopped counts as the
    /// same.
    #[must_use]
    pub fn backward_passes(&self) -> usize {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).passes()
    }

    #[cfg(test)]
    pub(crate) fn cache_len(&self) -> usize {
        self.cache.lock().unwrap().len()
    }

    /// Where the cells of a layer lie on the input, and what they read of it.
    ///
    /// # Errors
    /// Where there is no such layer, or its output has no positions.
    pub fn cells<'a>(&self, layer: impl Into<LayerRef<'a>>) -> Result<Option<Cells>, ExplainError> {
        Ok(self.cells[self.spatial(layer.into())?])
    }

    /// The gradient ∂S/∂f of the score with respect to a layer's output `[N, …]`.
    ///
    /// # Errors
    /// Where there is no such layer, or the target doesn't fit.
    pub fn gradient_at<'a>(
        &self,
        layer: impl Into<LayerRef<'a>>,
        target: impl Into<Target<T>>,
    ) -> Result<Tensor<T>, ExplainError> {
        let layer = self.layer(layer.into())?;
        self.exact_gradient(Source::Layer(layer), &self.seed(&target.into())?)
    }

    /// What arrives at the image under a backward rule of one's own.
    ///
    /// # Errors
    /// Where the rule can't be applied to the model, or the target doesn't fit.
    pub fn under_rule(
        &self,
        rule: &dyn Rule<T>,
        target: impl Into<Target<T>>,
    ) -> Result<Explanation<Saliency<T>>, ExplainError> {
        let target = target.into();
        let (seed, input) = (self.seed(&target)?, &self.forward.input);
        let mut gradients = on_pool(|| self.tape.backward_from(&self.forward.logits, seed, rule, [input]))?;
        let gradient = gradients.take(input).expect("asked for");
        Ok(Explanation {
            method: rule.name(),
            target: target.to_string(),
            layers: Vec::new(),
            coverage: Some(coverage_in_words(gradients.coverage())),
            maps: self.saliencies(&gradient, &gradient),
        })
    }

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

#[cfg(test)]
mod tests;
