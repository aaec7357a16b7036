//! Completeness of integrated gradients.

use nn::Real;

use super::{Certificate, Finding, Residual};
use crate::error::ExplainError;
use crate::methods::IntegratedGradients;
use crate::pass::Pass;
use crate::target::Target;
use crate::variants::silent;

impl<T: Real> Pass<'_, T> {
    /// The identity holds for the integral; what is computed is a quadrature, which may be off by as much as the derivative
    /// was seen to vary on the way ([`Completeness::quadrature`](crate::methods::Completeness::quadrature)).
    pub(super) fn certify_integrated_gradients(&self, target: &Target<T>) -> Result<Certificate, ExplainError> {
        let settings = IntegratedGradients::default();
        let (maps, completeness) = self.integrated_gradients(target.clone(), &settings, silent)?;
        let residual = |(map, parts): (&crate::Saliency<T>, &crate::methods::Completeness)| {
            let magnitude = map.raw().iter().map(|v| v.as_f64().abs()).sum::<f64>() + parts.difference.abs();
            let rounding = super::residual::gamma::<T>(settings.steps + 2) * magnitude;
            Residual::new::<T>(parts.attributed, parts.difference, magnitude, parts.quadrature + rounding)
        };
        let worst = maps.maps.iter().zip(&completeness).map(residual).reduce(Residual::worse);
        Ok(Certificate {
            identity: "Σ IG = S(x) − S(x₀)",
            meaning: "integrated gradients account for the whole difference to the baseline, up to the quadrature",
            layer: None,
            finding: Finding::Checked(worst.expect("a pass has images")),
        })
    }
}
