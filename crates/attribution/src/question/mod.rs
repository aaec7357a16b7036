//! Questions about the images of a pass.
//!
//! A [`Question`] consists of a [`Target`], the layers to explain, and an optional progress callback. Methods answer
//! it.

mod method;

use std::fmt;
use std::rc::Rc;

use ndarray::{Array2, ArrayView3};
use nn::{Real, Source};
use tensor::{Rule, Tensor, on_pool};

pub use crate::progress::{Progress, Watch};
pub use method::{About, Cost, LooksAt, Method};

use crate::error::ExplainError;
use crate::layer::LayerRef;
use crate::map::{Map, Quantity};
use crate::pass::{Pass, Reading, Runner, Shares, misfit, of_image};
use crate::rules::Coverage;
use crate::target::{Resolved, Seed, Target};

/// The question why the network gives a score to the images of a pass; see [`Pass::why`]. Any [`Method`] answers it.
///
/// ```
/// # use attribution::{Pass, Target, methods::{GradCam, LayerCam, SmoothGrad}};
/// # use nn::{Model, layers::{Conv2d, GlobalAvgPool, Linear, Relu}};
/// # use tensor::Tensor;
/// # let model = Model::builder([16, 16, 1]).layer("conv1", Conv2d::new(8, 3)).layer("relu1", Relu)
/// #     .layer("gap", GlobalAvgPool).layer("fc", Linear::new(3)).build(7)?;
/// # let pass = Pass::new(&model, Tensor::from_fn([16, 16, 1], |i| (i as f32).sin()))?;
/// let map = pass.why(2).explain(&GradCam)?;
/// let rather = pass.why(Target::contrast(2, 0)).at("relu1").explain(&LayerCam)?;
/// let smooth = pass.why(2).explain(&SmoothGrad { samples: 20, ..SmoothGrad::default() })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Question<'p, T: Real = f32> {
    pass: &'p Pass<'p, T>,
    target: Target<T>,
    layers: Vec<LayerRef<'p>>,
    watch: Option<Watch<'p>>,
    /// If several workers run the network for the method.
    shares: Option<Rc<Shares>>,
}

impl<'p, T: Real> Question<'p, T> {
    /// Selects a layer. The default is the last layer whose output has positions. Methods that explain the input ignore
    /// it.
    #[must_use]
    pub fn at(self, layer: impl Into<LayerRef<'p>>) -> Self {
        self.at_each([layer])
    }

    /// Selects several layers. The map is the mean of the layers' maps, each stretched over the input and scaled to
    /// [0, 1]. A layer whose map isn't evidence adds nothing.
    #[must_use]
    pub fn at_each<L: Into<LayerRef<'p>>>(mut self, layers: impl IntoIterator<Item = L>) -> Self {
        self.layers = layers.into_iter().map(Into::into).collect();
        self
    }

    /// Reports the progress of methods that run the network many times to `watch`, which can stop them.
    #[must_use]
    pub fn watched(mut self, watch: Watch<'p>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// The answer for a single image.
    ///
    /// # Errors
    /// If the method can't answer, or the pass has several images ([`explain_each`](Self::explain_each)).
    pub fn explain(&self, method: &dyn Method<T>) -> Result<Map<T>, ExplainError> {
        if self.pass.images() != 1 {
            return Err(ExplainError::SeveralImages { images: self.pass.images() });
        }
        Ok(method.explain(self)?.swap_remove(0))
    }

    /// The answers for all images, in order.
    ///
    /// # Errors
    /// If the method can't answer: the target or a layer doesn't fit the model, the method or its settings don't apply
    /// to the model, or `watch` stopped it.
    pub fn explain_each(&self, method: &dyn Method<T>) -> Result<Vec<Map<T>>, ExplainError> {
        method.explain(self)
    }

    /// What worker `worker` of `count` computes for a method that runs the network for scores many times, such as RISE, occlusion and
    /// Score-CAM: the scores of every `count`th batch. [`explain_from`](Self::explain_from) makes the answer of all shares.
    ///
    /// ```
    /// # use attribution::{Pass, methods::Rise};
    /// # use nn::{Model, layers::{Conv2d, GlobalAvgPool, Linear, Relu}};
    /// # use tensor::Tensor;
    /// # let model = Model::builder([16, 16, 1]).layer("conv1", Conv2d::new(8, 3)).layer("relu1", Relu)
    /// #     .layer("gap", GlobalAvgPool).layer("fc", Linear::new(3)).build(7)?;
    /// # let pass = Pass::new(&model, Tensor::from_fn([16, 16, 1], |i| (i as f32).sin()))?;
    /// let (question, rise) = (pass.why(2), Rise { masks: 50, ..Rise::default() });
    /// // On two machines, say:
    /// let shares = [question.share(&rise, 0, 2)?, question.share(&rise, 1, 2)?];
    /// let map = question.explain_from(&rise, &shares)?;
    /// assert_eq!(map[0], question.explain(&rise)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The same as for [`explain_each`](Self::explain_each); if there is no such worker.
    pub fn share(&self, method: &dyn Method<T>, worker: usize, count: usize) -> Result<Vec<T>, ExplainError> {
        if worker >= count {
            return Err(ExplainError::Setting(format!("expected a worker below {count}, found {worker}")));
        }
        let shares = Rc::new(Shares::of_worker(worker, count));
        method.explain(&Self { shares: Some(shares.clone()), ..self.clone() })?;
        Ok(shares.left())
    }

    /// The answers for all images from what workers computed, in the workers' order: the same to the last bit as
    /// [`explain_each`](Self::explain_each)'s, and without running the network for scores.
    ///
    /// # Errors
    /// The same as for [`explain_each`](Self::explain_each); if these aren't all shares of this question.
    pub fn explain_from(&self, method: &dyn Method<T>, shares: &[Vec<T>]) -> Result<Vec<Map<T>>, ExplainError> {
        let shares = Rc::new(Shares::of_all(shares));
        let maps = method.explain(&Self { shares: Some(shares.clone()), ..self.clone() })?;
        if shares.left::<T>().is_empty() { Ok(maps) } else { Err(misfit()) }
    }

    /// The gradient at each image under a backward rule.
    ///
    /// # Errors
    /// If the rule can't be applied to the model, or the target doesn't fit.
    pub fn under_rule(&self, rule: &dyn Rule<T>) -> Result<Vec<Map<T>>, ExplainError> {
        let (gradient, coverage) = self.arriving(rule)?;
        let maps = self.pass.pixel_maps(Quantity::Sensitivity, &gradient, &gradient);
        Ok(maps.into_iter().map(|map| Map { coverage: Some(coverage.clone()), ..map }).collect())
    }

    /// The relevance of the images, `[N, H, W, C]`, under a backward rule, and the rule's coverage.
    pub(crate) fn arriving(&self, rule: &dyn Rule<T>) -> Result<(Tensor<T>, Coverage), ExplainError> {
        let (input, Seed { layer, gradient }) = (self.pass.forward().input(), self.seed()?);
        let outputs = self.pass.var(Source::Layer(layer));
        let mut gradients = on_pool(|| self.pass.tape().backward_from(outputs, gradient, rule, [input]))?;
        let arrived = gradients.take(input).expect("requested");
        Ok((arrived, Coverage::of(gradients.coverage())))
    }

    /// The pass that the question is about.
    #[must_use]
    pub fn pass(&self) -> &'p Pass<'p, T> {
        self.pass
    }

    /// The score to explain.
    #[must_use]
    pub fn target(&self) -> &Target<T> {
        &self.target
    }

    /// Maps computed from the layer's features and their gradients, `[h, w, C]` each → `[h, w]`, as for Grad-CAM and
    /// its family. All these methods, at all layers, share one backward pass per target.
    ///
    /// # Errors
    /// If there is no such layer, its output has no positions, or the target doesn't fit.
    pub fn maps_from_features(
        &self,
        quantity: Quantity,
        map: impl Fn(ArrayView3<T>, ArrayView3<T>) -> Array2<T>,
    ) -> Result<Vec<Map<T>>, ExplainError> {
        let seed = self.seed()?;
        self.over_layers(|layer| {
            let source = Source::Layer(layer);
            let backward = self.pass.backward(Reading::Exact, source, &seed)?;
            let gradients = self.pass.on_grid(layer, backward.at(source).expect("computed"));
            let features = self.pass.features(layer);
            let of_image = |image| {
                let gradients = of_image(&gradients, image);
                let zero = gradients.iter().all(|g| g.is_zero());
                let values = map(of_image(&features, image), gradients);
                let map = self.pass.cell_map(image, quantity, layer, values, zero);
                Map { verdict: self.pass.traced(map.verdict, image, &backward), ..map }
            };
            Ok((0..self.pass.images()).map(of_image).collect())
        })
    }

    /// Maps of `f(x, g)`, where g is the gradient at the image x under a cached rule.
    pub(crate) fn maps_from_input_gradient(
        &self,
        quantity: Quantity,
        rule: Reading,
        f: impl Fn(T, T) -> T + Sync,
    ) -> Result<Vec<Map<T>>, ExplainError> {
        let backward = self.pass.backward(rule, Source::Image, &self.seed()?)?;
        let gradient = backward.at(Source::Image).expect("computed");
        let coverage = (rule != Reading::Exact).then(|| Coverage::of(&backward.coverage));
        let maps = self.pass.pixel_maps(quantity, &self.pass.input().clone().zip(gradient, f), gradient);
        let traced = |(image, map): (usize, Map<T>)| Map {
            verdict: self.pass.traced(map.verdict, image, &backward),
            coverage: coverage.clone(),
            ..map
        };
        Ok(maps.into_iter().enumerate().map(traced).collect())
    }

    /// The same question about another target.
    pub(crate) fn about(&self, target: Target<T>) -> Self {
        Self { target, ..self.clone() }
    }

    /// The same question about other images, unwatched.
    pub(crate) fn on<'q>(&'q self, pass: &'q Pass<'q, T>) -> Question<'q, T> {
        Question { pass, target: self.target.clone(), layers: self.layers.clone(), watch: None, shares: None }
    }

    /// The maps of the layer, or the mean over several layers.
    pub(crate) fn over_layers(
        &self,
        mut at: impl FnMut(usize) -> Result<Vec<Map<T>>, ExplainError>,
    ) -> Result<Vec<Map<T>>, ExplainError> {
        let mut each = self.spatial_layers()?.into_iter().map(&mut at).collect::<Result<Vec<_>, _>>()?;
        match each.len() {
            1 => Ok(each.swap_remove(0)),
            _ => Ok((0..self.pass.images()).map(|image| self.mean(image, &each)).collect()),
        }
    }

    /// The indices of the selected layers.
    pub(crate) fn spatial_layers(&self) -> Result<Vec<usize>, ExplainError> {
        if self.layers.is_empty() {
            return Err(ExplainError::NoLayers);
        }
        self.layers.iter().map(|&layer| self.pass.spatial_for(&self.target, layer)).collect()
    }

    /// The mean of one image's maps at several layers. If none is evidence, the verdict is that of the last one.
    fn mean(&self, image: usize, each: &[Vec<Map<T>>]) -> Map<T> {
        let maps = || each.iter().map(|maps| &maps[image]);
        let last = maps().next_back().expect("there are layers");
        let zero = Array2::zeros((last.input[0], last.input[1]));
        let sum = maps().fold(zero, |sum, map| sum + map.clone().stretched().over_input());
        let values = sum.mapv(|v: T| v / T::from_f64(each.len() as f64));
        let mean = self.pass.fine_map(image, last.quantity, values);
        let verdict = if maps().any(|map| map.verdict.is_evidence()) { mean.verdict } else { last.verdict.clone() };
        Map { verdict, layers: maps().flat_map(|map| map.layers.clone()).collect(), ..mean }
    }

    /// Where a backward pass begins.
    pub(crate) fn seed(&self) -> Result<Seed<T>, ExplainError> {
        self.pass.seed(&self.target)
    }

    /// The same, for a method that explains the scores of the last layer alone.
    pub(crate) fn scores_seed(&self, method: &'static str) -> Result<Seed<T>, ExplainError> {
        let seed = self.seed()?;
        let is_last = seed.layer + 1 == self.pass.model().layers().len();
        if is_last { Ok(seed) } else { Err(ExplainError::NotAScore { method }) }
    }

    pub(crate) fn resolve(&self) -> Result<Resolved<T>, ExplainError> {
        self.pass.resolve(&self.target)
    }

    /// A runner for `each` variants of every image.
    pub(crate) fn runner(&self, each: usize) -> Runner<'p> {
        Runner::new(self.pass.images() * each, self.watch).sharing(self.shares.clone())
    }
}

impl<T: Real> fmt::Debug for Question<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("target", &self.target).field("layers", &self.layers).finish_non_exhaustive()
    }
}

impl<T: Real> Pass<'_, T> {
    /// Asks why the network gives this score; a [`Method`] answers.
    #[must_use]
    pub fn why(&self, target: impl Into<Target<T>>) -> Question<'_, T> {
        Question { pass: self, target: target.into(), layers: vec![LayerRef::Last], watch: None, shares: None }
    }
}
