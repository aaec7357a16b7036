//! Integrated gradients.

use std::ops::ControlFlow;

use nn::Real;
use tensor::Tensor;

use crate::baseline::Baseline;
use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::methods::quadrature::{discrepancy, gauss_legendre};
use crate::pass::Pass;
use crate::saliency::Saliency;
use crate::target::Target;
use crate::variants::{Progress, Runner};

/// How [integrated gradients](Pass::integrated_gradients) go from the baseline to the image.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegratedGradients<T: Real = f32> {
    /// Points on the way.
    pub steps: usize,
    /// Where the way begins.
    pub baseline: Baseline<T>,
}

impl<T: Real> Default for IntegratedGradients<T> {
    fn default() -> Self {
        Self { steps: 50, baseline: Baseline::default() }
    }
}

/// How well the parts make up the whole: the axiom of completeness says Σ map = S(x) − S(x₀).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Completeness {
    /// Σ map.
    pub attributed: f64,
    /// S(x) − S(x₀).
    pub difference: f64,
    /// An estimate of how large the quadrature's error can be. By Koksma's inequality it is at most the total variation of the
    /// derivative along the way times the largest difference between a stretch of the way and the weights of the points on
    /// it; but of the variation this counts only what the quadrature's points show.
    pub quadrature: f64,
}

impl Completeness {
    /// Σ map − (S(x) − S(x₀)): the error of the quadrature, since the axiom holds for the integral.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.attributed - self.difference
    }
}

impl<T: Real> Pass<'_, T> {
    /// Integrated gradients: the gradient averaged along the straight line from a baseline x₀, times the distance.
    /// `[H, W, C]`, and for each image how complete it is. (Sundararajan, Taly and Yan, *Axiomatic Attribution for Deep
    /// Networks*, 2017, eq. 1.)
    ///
    /// ```text
    /// M = (x − x₀) ⊙ ∫₀¹ ∂S/∂x (x₀ + t (x − x₀)) dt  ≈  (x − x₀) ⊙ Σ_k w_k ∂S/∂x (x₀ + t_k (x − x₀))
    /// ```
    ///
    /// with the nodes t_k and weights w_k of Gauss and Legendre on [0, 1]. The baseline matters: what equals it gets nothing.
    ///
    /// # Errors
    /// Without steps, with a baseline of another shape, where the target doesn't fit, or when `progress` breaks it off.
    pub fn integrated_gradients(
        &self,
        target: impl Into<Target<T>>,
        settings: &IntegratedGradients<T>,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Explanation<Saliency<T>>, Vec<Completeness>), ExplainError> {
        let target = target.into();
        let resolved = self.resolve(&target)?;
        let start = settings.baseline.image(self.model)?;
        let start = start.as_slice();
        if settings.steps == 0 {
            return Err(ExplainError::Setting("integrated gradients need at least one step".into()));
        }
        let nodes = gauss_legendre(settings.steps);
        let mut runner = Runner::new(self.images() * (nodes.len() + 1), &mut progress);
        let ends = resolved.scores(self.logits(), &self.every_image())?;
        let mut product = Tensor::zeros(self.input().shape());
        let mut zero = Vec::new();
        let mut completeness = Vec::new();
        for image in 0..self.images() {
            let distance: Vec<T> = self.values_of(image).iter().zip(start).map(|(&x, &x0)| x - x0).collect();
            let along = |k: usize, values: &mut [T]| {
                let t = T::from_f64(nodes[k].0);
                values.iter_mut().zip(start.iter().zip(&distance)).for_each(|(x, (&x0, &d))| *x = x0 + t * d);
            };
            let (mut variation, mut before) = (0.0, None);
            let map: &mut [T] = &mut product.make_mut()[image * start.len()..][..start.len()];
            runner.gradients(self.model, &resolved, &self.variants(image, nodes.len()), along, |k, gradient| {
                let weight = T::from_f64(nodes[k].1);
                map.iter_mut().zip(gradient).for_each(|(sum, &g)| *sum += weight * g);
                let slope: f64 = gradient.iter().zip(&distance).map(|(g, d)| g.as_f64() * d.as_f64()).sum();
                variation += before.map_or(0.0, |before: f64| (slope - before).abs());
                before = Some(slope);
            })?;
            zero.push(map.iter().all(|g| g.is_zero()));
            map.iter_mut().zip(&distance).for_each(|(m, &d)| *m *= d);
            let begin = |_, values: &mut [T]| values.copy_from_slice(start);
            let at_start = runner.scores(&resolved, &self.variants(image, 1), begin, |x| self.model.predict(x))?[0];
            let attributed = tensor::pairwise_sum(&map.iter().map(|m| m.as_f64()).collect::<Vec<_>>());
            let difference = ends[image].as_f64() - at_start.as_f64();
            completeness.push(Completeness { attributed, difference, quadrature: variation * discrepancy(&nodes) });
        }
        let maps = zero.into_iter().enumerate().map(|(image, zero)| self.saliency_of(image, &product, zero));
        Ok((self.input_level("integrated gradients", &target, maps.collect()), completeness))
    }
}
