//! Integrated gradients.

use ndarray::Array3;
use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::pairwise_sum;

use super::prelude::*;
use super::quadrature::{discrepancy, gauss_legendre};
use super::settings::to_value;
use crate::baseline::Baseline;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "integrated-gradients",
    title: "integrated gradients",
    source: "Sundararajan et al. 2017",
    formula: "the mean gradient on the straight line from a baseline to the image, times their difference",
    looks_at: LooksAt::Input,
    quantity: Quantity::Contribution,
    cost: Cost::Gradients,
    tells: "how the difference between this score and the baseline's is shared out among the pixels, up to the error of the quadrature",
    does_not_tell: "anything without that comparison: pixels that equal the baseline get nothing, and another baseline gives another map",
    elsewhere: &["IntegratedGradients"],
    chapter: "chapter_11_other_readings",
};

/// Integrated gradients: the gradient averaged along the straight line from a baseline x₀, times the distance,
/// `[H, W, C]`. (Sundararajan, Taly and Yan, *Axiomatic Attribution for Deep Networks*, 2017, eq. 1.)
///
/// ```text
/// M = (x − x₀) ⊙ ∫₀¹ ∂S/∂x (x₀ + t (x − x₀)) dt  ≈  (x − x₀) ⊙ Σ_k w_k ∂S/∂x (x₀ + t_k (x − x₀))
/// ```
///
/// where t_k and w_k are the Gauss–Legendre nodes and weights on [0, 1]. The baseline matters: pixels that equal it get
/// nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntegratedGradients {
    /// Number of points on the path.
    pub steps: usize,
    /// The start of the path.
    pub baseline: Baseline,
}

impl Default for IntegratedGradients {
    fn default() -> Self {
        Self { steps: 50, baseline: Baseline::default() }
    }
}

/// The completeness of a map: by the completeness axiom, Σ map = S(x) − S(x₀), for integrals and expectations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Completeness {
    /// Σ map.
    pub attributed: f64,
    /// S(x) − S(x₀); the mean over several baselines.
    pub difference: f64,
    /// How large the error may be. For integrated gradients an estimate of a bound on the quadrature's error: by Koksma's
    /// inequality, the error is at most the total variation of the derivative along the path times the discrepancy of the
    /// quadrature's points, and the estimate uses only the variation that these points show. For expected gradients the standard
    /// error.
    pub uncertainty: f64,
}

impl Completeness {
    /// Σ map − (S(x) − S(x₀)). This is the error of the quadrature, or of chance, since the axiom holds for the integral.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.attributed - self.difference
    }
}

impl IntegratedGradients {
    /// The maps, and the completeness of each.
    ///
    /// # Errors
    /// The same as for [`explain_each`](Question::explain_each).
    pub fn with_completeness<T: Real>(
        &self,
        question: &Question<'_, T>,
    ) -> Result<Vec<(Map<T>, Completeness)>, ExplainError> {
        let (pass, resolved) = (question.pass(), question.resolve()?);
        let model = pass.model();
        self.check(pass)?;
        let start = self.baseline.of(model)?;
        let start = start.as_slice();
        let nodes = gauss_legendre(self.steps);
        let mut runner = question.runner(nodes.len() + 1);
        let ends = pass.scores_of(&resolved)?;
        let [height, width, channels] = model.input_shape();
        let mut map = |image: usize| {
            let distance: Vec<T> = pass.values_of(image).iter().zip(start).map(|(&x, &x0)| x - x0).collect();
            let along = |k: usize, values: &mut [T]| {
                let t = T::from_f64(nodes[k].0);
                values.iter_mut().zip(start.iter().zip(&distance)).for_each(|(x, (&x0, &d))| *x = x0 + t * d);
            };
            let (mut variation, mut before) = (0.0, None);
            let mut map = vec![T::zero(); start.len()];
            runner.gradients(model, &resolved, &pass.variants(image, nodes.len()), along, |k, gradient| {
                let weight = T::from_f64(nodes[k].1);
                map.iter_mut().zip(gradient).for_each(|(sum, &g)| *sum += weight * g);
                let slope: f64 = gradient.iter().zip(&distance).map(|(g, d)| g.as_f64() * d.as_f64()).sum();
                variation += before.map_or(0.0, |before: f64| (slope - before).abs());
                before = Some(slope);
            })?;
            let zero = map.iter().all(|g| g.is_zero());
            map.iter_mut().zip(&distance).for_each(|(m, &d)| *m *= d);
            let begin = |_, values: &mut [T]| values.copy_from_slice(start);
            let at_start = runner.scores(&resolved, &pass.variants(image, 1), begin, |x| resolved.predict(model, x))?[0];
            let attributed = pairwise_sum(&map.iter().map(|m| m.as_f64()).collect::<Vec<_>>());
            let difference = ends[image].as_f64() - at_start.as_f64();
            let completeness = Completeness { attributed, difference, uncertainty: variation * discrepancy(&nodes) };
            let values = Array3::from_shape_vec((height, width, channels), map).expect("a value for each");
            Ok((runner.traced(pass.pixel_map(image, ABOUT.quantity, values, zero)), completeness))
        };
        (0..pass.images()).map(&mut map).collect()
    }
}

impl<T: Real> Method<T> for IntegratedGradients {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        if self.steps == 0 {
            return Err(ExplainError::Setting("expected steps of at least 1, found 0".into()));
        }
        self.baseline.of(pass.model()).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        Ok(self.with_completeness(question)?.into_iter().map(|(map, _)| map).collect())
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array3;
    use super::IntegratedGradients;
    use super::super::tests::{gradient, image, score, with_pass};
    use crate::Baseline;

    pub(crate) fn check() {
        // A Riemann sum with many steps.
        const STEPS: usize = 2000;
        let path = IntegratedGradients { steps: 300, baseline: Baseline::Value(0.1) };
        with_pass(|pass| {
            let (map, completeness) = path.with_completeness(&pass.why(1)).unwrap().swap_remove(0);
            let x = image(pass, 0);
            let mut sum = Array3::<f64>::zeros(x.raw_dim());
            for k in 0..STEPS {
                let t = (k as f64 + 0.5) / STEPS as f64;
                sum = sum + gradient(pass, &x.mapv(|x| 0.1 + t * (x - 0.1)));
            }
            let expected = x.mapv(|x| x - 0.1) * sum / STEPS as f64;
            let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
            // The gradient jumps at each ReLU that switches on along the path, so both sums err by about a step.
            assert!((&map.raw() - &expected).iter().all(|d| d.abs() < 0.02 * scale));
            let difference = score(pass, &x) - score(pass, &x.mapv(|_| 0.1));
            assert!((completeness.difference - difference).abs() < 1e-12);
            assert!(completeness.error().abs() < 0.01 * difference.abs().max(scale));
        });
    }
}
