//! Gradients that were computed once.

use std::collections::{BTreeMap, VecDeque};

use nn::{Real, Source};
use tensor::{Coverage, Exact, Rule, Tensor, on_pool};

use crate::error::ExplainError;
use crate::pass::Pass;
use crate::rules::{Deconv, Guided};

/// Targets whose gradients are kept at one time: enough to compare a few classes, without holding on to every layer's
/// gradient for each class of a large model.
const KEPT: usize = 4;

/// The rules whose gradients are kept.
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

/// How far from the image a place is: 0 for the image, i + 1 for the layer at place i.
pub(crate) fn depth(place: Source) -> usize {
    match place {
        Source::Image => 0,
        Source::Layer(layer) => layer + 1,
    }
}

/// What a backward pass brought to one place.
pub(crate) struct Backward<T: Real> {
    pub(crate) gradient: Tensor<T>,
    pub(crate) coverage: BTreeMap<&'static str, Coverage>,
}

/// The gradients of the targets asked about last.
#[derive(Debug, Default)]
pub(crate) struct GradientCache<T: Real> {
    /// The latest last.
    entries: VecDeque<Entry<T>>,
    passes: usize,
}

/// The gradients of one target under one rule.
#[derive(Debug)]
struct Entry<T: Real> {
    rule: Reading,
    seed: Tensor<T>,
    /// By depth.
    gradients: BTreeMap<usize, Tensor<T>>,
    coverage: BTreeMap<&'static str, Coverage>,
}

impl<T: Real> GradientCache<T> {
    pub(crate) fn passes(&self) -> usize {
        self.passes
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The gradients used last, by depth.
    pub(crate) fn latest_gradients(&self) -> impl DoubleEndedIterator<Item = (usize, &Tensor<T>)> {
        self.entries.iter().next_back().into_iter().flat_map(|entry| &entry.gradients).map(|(&depth, g)| (depth, g))
    }

    /// What `rule` lets through to `to` from ∂S/∂logits = `seed`.
    pub(crate) fn backward(
        &mut self,
        pass: &Pass<'_, T>,
        rule: Reading,
        to: Source,
        seed: &Tensor<T>,
    ) -> Result<Backward<T>, ExplainError> {
        let known = self.entries.iter().position(|entry| entry.rule == rule && entry.seed == *seed);
        let mut entry = known.and_then(|place| self.entries.remove(place)).unwrap_or_else(|| Entry {
            rule,
            seed: seed.clone(),
            gradients: BTreeMap::new(),
            coverage: BTreeMap::new(),
        });
        if !entry.gradients.contains_key(&depth(to)) {
            let begun = entry.gradients.is_empty();
            entry.reach(pass, to)?;
            self.passes += usize::from(begun);
        }
        let gradient = entry.gradients[&depth(to)].clone();
        let coverage = entry.coverage.clone();
        self.entries.push_back(entry);
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
        Ok(Backward { gradient, coverage })
    }
}

impl<T: Real> Entry<T> {
    /// Carries the gradients on to `to`, and keeps those of all maps on the way. An exact pass goes on from the layer
    /// nearest the image that it has reached and that is a cut of the graph; the others begin anew, since their rules
    /// judge the whole way.
    fn reach(&mut self, pass: &Pass<'_, T>, to: Source) -> Result<(), ExplainError> {
        let reached = self.gradients.iter().find(|&(&depth, _)| depth > 0 && pass.is_cut(depth - 1));
        let (from, output, seed) = match (self.rule, reached) {
            (Reading::Exact, Some((&depth, gradient))) => (depth, pass.var(Source::Layer(depth - 1)), gradient.clone()),
            _ => (pass.model.layers().len() + 1, &pass.forward().logits, self.seed.clone()),
        };
        let maps = |place: &Source| match (self.rule, *place) {
            (Reading::Exact, Source::Layer(layer)) => pass.model.layers()[layer].output_shape.len() == 3,
            _ => false,
        };
        let between = (depth(to)..from).map(|depth| depth.checked_sub(1).map_or(Source::Image, Source::Layer));
        let wanted: Vec<Source> = between.filter(|place| *place == to || maps(place)).collect();
        let vars: Vec<_> = wanted.iter().map(|&place| pass.var(place)).collect();
        let gradients = on_pool(|| pass.tape().backward_from(output, seed, self.rule.rule(), vars))?;
        for place in wanted {
            self.gradients.insert(depth(place), gradients[pass.var(place)].clone());
        }
        self.coverage.clone_from(gradients.coverage());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Family;
    use crate::testing::{images, model};
    use crate::{Explainer, Target};

    #[test]
    fn all_layers_and_methods_of_a_class_share_one_backward_pass() {
        let model = model();
        let pass = Explainer::new(&model).observe(images(2)).unwrap();
        pass.cam(1).unwrap();
        assert_eq!(pass.backward_passes(), 0);
        for layer in pass.spatial_layers() {
            for method in Family::ALL {
                pass.class_activation(method, layer, 1).unwrap();
            }
        }
        pass.gradient(1).unwrap();
        pass.input_x_gradient(1).unwrap();
        assert_eq!(pass.backward_passes(), 1);
        pass.guided_grad_cam("relu2", 1).unwrap();
        pass.guided_backprop(1).unwrap();
        assert_eq!(pass.backward_passes(), 2, "one more, under another rule");
        // The same score said otherwise is the same target.
        pass.grad_cam("relu1", Target::several([1])).unwrap();
        pass.grad_cam("relu1", [1, 1]).unwrap();
        assert_eq!(pass.backward_passes(), 2);
        for class in [0, 2] {
            pass.grad_cam("relu1", class).unwrap();
        }
        assert_eq!(pass.backward_passes(), 4);
    }

    /// Whether asked for from the image up or from the logits down, in one piece or carried on, around the skip connection:
    /// the bits are the same.
    #[test]
    fn a_pass_carried_on_gives_the_same_bits() {
        let model = model();
        let (down, up) = (Explainer::new(&model).observe(images(2)), Explainer::new(&model).observe(images(2)));
        let (down, up) = (down.unwrap(), up.unwrap());
        let image = up.gradient(0).unwrap();
        for layer in down.spatial_layers().into_iter().rev() {
            assert_eq!(down.gradient_at(layer, 0).unwrap(), up.gradient_at(layer, 0).unwrap(), "{layer}");
        }
        assert_eq!(down.gradient(0).unwrap(), image);
        assert_eq!((down.backward_passes(), up.backward_passes()), (1, 1));
    }

    #[test]
    fn cuts_are_the_layers_that_everything_passes() {
        let model = model();
        let pass = Explainer::new(&model).observe(images(1)).unwrap();
        let cuts: Vec<bool> = (0..model.layers().len()).map(|layer| pass.is_cut(layer)).collect();
        // conv2 runs beside the skip connection from relu1 to sum.
        assert_eq!(cuts, [true, true, false, true, true, true, true, true]);
    }

    #[test]
    fn gradients_of_few_targets_are_kept() {
        let model = model();
        let pass = Explainer::new(&model).observe(images(1)).unwrap();
        for step in 0..20 {
            pass.grad_cam("relu1", Target::function(move |y| y.pick(0).mul_scalar(f64::from(step)))).unwrap();
        }
        let nodes = pass.tape().nodes().len();
        pass.grad_cam("relu1", 1).unwrap();
        assert_eq!(pass.tape().nodes().len(), nodes, "a target leaves nothing on the tape");
        assert_eq!(pass.cache_len(), super::KEPT);
    }
}
