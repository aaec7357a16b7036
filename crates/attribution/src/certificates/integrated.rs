//! Completeness of integrated gradients.

use nn::Real;

use super::residual::gamma;
use super::{Certificate, Finding, Residual};
use crate::error::ExplainError;
use crate::map::Map;
use crate::methods::{Completeness, IntegratedGradients};
use crate::pass::Pass;
use crate::target::Target;

impl<T: Real> Pass<'_, T> {
    /// The identity holds for the integral, but a quadrature is computed. Its error is at most the total variation of the
    /// derivative along the path times the discrepancy of the points (Koksma's inequality). The points show only a part
    /// of that variation, since they miss a derivative that swings out and back between two of them. So the allowed error
    /// is an estimate, which assumes that there is no such swing ([`Completeness::uncertainty`]).
    pub(super) fn certify_integrated_gradients(&self, target: &Target<T>) -> Result<Certificate, ExplainError> {
        let settings = IntegratedGradients::default();
        let maps = settings.with_completeness(&self.why(target.clone()))?;
        let residual = |(map, parts): &(Map<T>, Completeness)| {
            let magnitude = map.raw().iter().map(|v| v.as_f64().abs()).sum::<f64>() + parts.difference.abs();
            let rounding = gamma::<T>(settings.steps + 2) * magnitude;
            Residual::new::<T>(parts.attributed, parts.difference, magnitude, parts.uncertainty + rounding)
        };
        let worst = maps.iter().map(residual).reduce(Residual::worse);
        Ok(Certificate {
            identity: "Σ IG = S(x) − S(x₀)",
            meaning: "integrated gradients account for the whole difference to the baseline, up to the quadrature",
            layer: None,
            finding: Finding::Estimated(worst.expect("a pass has images")),
        })
    }
}
