//! The cache of gradients.

use std::collections::{BTreeMap, VecDeque};

use nn::{Real, Source};
use tensor::{Coverage, Exact, Rule, Tensor, on_pool};

use super::Pass;
use crate::error::ExplainError;
use crate::rules::{Deconv, Guided};
use crate::target::Seed;

/// Limit on cached targets. It suffices to compare a few classes, and avoids keeping the gradients of every layer for
/// each class of a large model.
const LIMIT: usize = 4;

/// The rules whose gradients are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Exact,
    Guided,
    Deconv,
}

impl Reading {
    fn rule<T: Real>(self) -> &'static dyn Rule<T> {
        match self {
            Self::Exact => &Exact,
            Self::Guided => &Guided,
            Self::Deconv => &Deconv,
        }
    }
}

/// The depth of a value: 0 for the image, i + 1 for the layer with index i.
pub(crate) fn depth(source: Source) -> usize {
    match source {
        Source::Image => 0,
        Source::Layer(layer) => layer + 1,
    }
}

/// The gradients of the most recently used targets.
#[derive(Debug, Default)]
pub(crate) struct GradientCache<T: Real> {
    /// The entries in the order of their last use.
    entries: VecDeque<Backward<T>>,
    passes: usize,
}

/// The gradients of one target under one rule, as far as they have been computed.
#[derive(Clone, Debug)]
pub(crate) struct Backward<T: Real> {
    rule: Reading,
    seed: Seed<T>,
    /// The gradients by depth.
    gradients: BTreeMap<usize, Tensor<T>>,
    pub(crate) coverage: BTreeMap<&'static str, Coverage>,
}

impl<T: Real> GradientCache<T> {
    pub(crate) fn passes(&self) -> usize {
        self.passes
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn remove(&mut self, rule: Reading, seed: &Seed<T>) -> Option<Backward<T>> {
        let index = self.entries.iter().position(|entry| entry.rule == rule && entry.seed == *seed)?;
        self.entries.remove(index)
    }

    /// The cached gradients of a target under a rule.
    pub(crate) fn get(&mut self, rule: Reading, seed: &Seed<T>) -> Option<Backward<T>> {
        let cached = self.remove(rule, seed)?;
        self.entries.push_back(cached.clone());
        Some(cached)
    }

    /// Caches gradients that took this number of backward passes.
    pub(crate) fn insert(&mut self, mut computed: Backward<T>, passes: usize) {
        // Another thread may have computed the same target's gradients at other depths in the meantime.
        if let Some(cached) = self.remove(computed.rule, &computed.seed) {
            computed.gradients.extend(cached.gradients);
        }
        self.entries.push_back(computed);
        if self.entries.len() > LIMIT {
            self.entries.pop_front();
        }
        self.passes += passes;
    }
}

impl<T: Real> Backward<T> {
    pub(crate) fn new(rule: Reading, seed: &Seed<T>) -> Self {
        Self { rule, seed: seed.clone(), gradients: BTreeMap::new(), coverage: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.gradients.is_empty()
    }

    /// The gradient with respect to the image or a layer's output, if it has been computed.
    pub(crate) fn at(&self, source: Source) -> Option<&Tensor<T>> {
        self.gradients.get(&depth(source))
    }

    /// The computed gradients and their depths, from the logits towards the image.
    pub(crate) fn logits_first(&self) -> impl Iterator<Item = (usize, &Tensor<T>)> {
        self.gradients.iter().rev().map(|(&depth, gradient)| (depth, gradient))
    }

    /// Computes the gradient at `to`, and those of all maps on the path. An exact pass continues from the lowest cut of
    /// the graph behind `to` that has been reached. Other rules restart at the target's layer, since they must check the whole path.
    pub(crate) fn reach(&mut self, pass: &Pass<'_, T>, to: Source) -> Result<(), ExplainError> {
        let reached = self.gradients.range(depth(to) + 1..).find(|&(&depth, _)| pass.is_cut(depth - 1));
        let (from, output, seed) = match (self.rule, reached) {
            (Reading::Exact, Some((&depth, gradient))) => (depth, pass.var(Source::Layer(depth - 1)), gradient.clone()),
            _ => {
                let start = Source::Layer(self.seed.layer);
                (depth(start) + 1, pass.var(start), self.seed.gradient.clone())
            }
        };
        let is_map = |source: &Source| match (self.rule, *source) {
            (Reading::Exact, Source::Layer(layer)) => pass.model.grids()[layer].is_some(),
            _ => false,
        };
        let between = (depth(to)..from).map(|depth| depth.checked_sub(1).map_or(Source::Image, Source::Layer));
        let wanted: Vec<Source> = between.filter(|source| *source == to || is_map(source)).collect();
        let vars: Vec<_> = wanted.iter().map(|&source| pass.var(source)).collect();
        let gradients = on_pool(|| pass.tape().backward_from(output, seed, self.rule.rule(), vars))?;
        for source in wanted {
            self.gradients.insert(depth(source), gradients[pass.var(source)].clone());
        }
        self.coverage.clone_from(gradients.coverage());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::{
        Cam, GradCam, GradCamPlusPlus, Gradient, GuidedBackprop, GuidedGradCam, HiResCam, InputXGradient, LayerCam,
        XGradCam,
    };
    use crate::testing::{images, model};
    use crate::{Method, Pass, Target};

    #[test]
    fn all_layers_and_methods_of_a_class_share_one_backward_pass() {
        let model = model();
        let pass = Pass::new(&model, images(2)).unwrap();
        pass.why(1).explain_each(&Cam).unwrap();
        assert_eq!(pass.cached_backward_passes(), 0);
        for layer in pass.spatial_layers() {
            let family: [&dyn Method<f64>; 5] = [&GradCam, &GradCamPlusPlus, &HiResCam, &LayerCam, &XGradCam];
            for method in family {
                pass.why(1).at(layer).explain_each(method).unwrap();
            }
        }
        pass.why(1).explain_each(&Gradient).unwrap();
        pass.why(1).explain_each(&InputXGradient).unwrap();
        assert_eq!(pass.cached_backward_passes(), 1);
        pass.why(1).at("relu2").explain_each(&GuidedGradCam).unwrap();
        pass.why(1).explain_each(&GuidedBackprop).unwrap();
        assert_eq!(pass.cached_backward_passes(), 2, "one more, under another rule");
        // Equal coefficients make equal targets.
        pass.why(Target::several([1])).at("relu1").explain_each(&GradCam).unwrap();
        pass.why([1, 1]).at("relu1").explain_each(&GradCam).unwrap();
        assert_eq!(pass.cached_backward_passes(), 2);
        for class in [0, 2] {
            pass.why(class).at("relu1").explain_each(&GradCam).unwrap();
        }
        assert_eq!(pass.cached_backward_passes(), 4);
    }

    /// One pass down to the image gives the same bits as passes continued from layer to layer, including at skip
    /// connections.
    #[test]
    fn a_continued_pass_gives_the_same_bits() {
        let model = model();
        let (down, up) = (Pass::new(&model, images(2)), Pass::new(&model, images(2)));
        let (down, up) = (down.unwrap(), up.unwrap());
        let image = up.why(0).explain_each(&Gradient).unwrap();
        for layer in down.spatial_layers().into_iter().rev() {
            assert_eq!(down.gradient_at(layer, 0).unwrap(), up.gradient_at(layer, 0).unwrap(), "{layer}");
        }
        assert_eq!(down.why(0).explain_each(&Gradient).unwrap(), image);
        assert_eq!((down.cached_backward_passes(), up.cached_backward_passes()), (1, 1));
    }

    /// The gradient of a layer that isn't a map isn't kept on the way to an earlier one.
    #[test]
    fn a_later_layer_may_be_asked_after_an_earlier_one() {
        let model = model();
        let (down, up) = (Pass::new(&model, images(2)).unwrap(), Pass::new(&model, images(2)).unwrap());
        let layers = ["relu1", "gap", "conv2", "gap"];
        let asked: Vec<_> = layers.iter().map(|&layer| up.gradient_at(layer, 0).unwrap()).collect();
        assert!(layers.iter().zip(&asked).all(|(&layer, found)| down.gradient_at(layer, 0).unwrap() == *found));
        assert_eq!(Pass::new(&model, images(2)).unwrap().gradient_at("gap", 0).unwrap(), asked[1]);
    }

    #[test]
    fn cuts_are_the_layers_that_every_path_passes() {
        let model = model();
        let pass = Pass::new(&model, images(1)).unwrap();
        let cuts: Vec<bool> = (0..model.layers().len()).map(|layer| pass.is_cut(layer)).collect();
        // The skip connection from relu1 to sum goes around conv2.
        assert_eq!(cuts, [true, true, false, true, true, true, true, true]);
    }

    #[test]
    fn gradients_of_few_targets_are_cached() {
        let model = model();
        let pass = Pass::new(&model, images(1)).unwrap();
        for step in 0..20 {
            pass.why(Target::function(move |y| y.pick(0).mul_scalar(f64::from(step))))
                .at("relu1")
                .explain_each(&GradCam)
                .unwrap();
        }
        let nodes = pass.tape().nodes().len();
        pass.why(1).at("relu1").explain_each(&GradCam).unwrap();
        assert_eq!(pass.tape().nodes().len(), nodes, "a target leaves nothing on the tape");
        assert_eq!(pass.cache_len(), super::LIMIT);
    }
}
