//! Certificates: identities from theory, checked at run time on this model and this image.
//!
//! The two sides of an identity are computed in different ways. [`Pass::certify`] computes both sides, and returns
//! their difference in ulps of the sum of the magnitudes of all terms ([`Residual`]), together with a bound on the
//! rounding errors. If an identity doesn't apply, it returns the reason.

mod attention;
mod completeness;
mod deep_lift;
#[cfg(test)]
mod faults;
mod gap_head;
mod guided;
mod integrated;
mod relevance;
mod residual;
mod rounding;
#[cfg(test)]
mod tests;

use nn::Real;
use serde::Serialize;

use crate::error::ExplainError;
use crate::pass::Pass;
use crate::target::Target;

pub use residual::Residual;

/// An identity and the result of its check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// The identity, as a formula.
    pub identity: &'static str,
    /// Its meaning, in words.
    pub meaning: &'static str,
    /// The layer at which it was checked; `None` if it is about the whole model.
    pub layer: Option<String>,
    /// The result.
    pub finding: Finding,
}

/// The result of checking an identity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The identity was checked. The residual is that of the image of the batch that comes nearest to its bound.
    Checked(Residual),
    /// The identity was checked against an estimate, not a bound. A residual beyond the estimate proves nothing.
    Estimated(Residual),
    /// The identity doesn't apply to this model or target.
    Inapplicable {
        /// The reason.
        reason: String,
    },
    /// There is no identity, because nothing is conserved.
    Unconserved {
        /// Σ x·g at the image.
        arrived: f64,
        /// The score.
        score: f64,
    },
}

impl Certificate {
    /// Whether the identity holds; `None` if there is no identity, or only an estimate of its error.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        match &self.finding {
            Finding::Checked(residual) => Some(residual.holds()),
            _ => None,
        }
    }
}

impl<T: Real> Pass<'_, T> {
    /// Checks the identities that hold for this model and these images, for a class or a sum of classes. The book
    /// derives them: [what is conserved](crate::book::chapter_12_conservation) and [class activation
    /// maps](crate::book::chapter_09_cam).
    ///
    /// | identity | applies to |
    /// | --- | --- |
    /// | CAM = Z · Grad-CAM | a GAP → FC head |
    /// | HiResCAM = Grad-CAM | a GAP → FC head |
    /// | mean CAM + bias = S | a GAP → FC head |
    /// | Σ f·∂S/∂f + Σ b·∂S/∂b = S | every cut of the network, the image among them |
    /// | Σ R + kept = S | layer-wise relevance propagation |
    /// | Σ m·Δx = S(x) − S(x₀) | DeepLIFT |
    /// | Σ IG = S(x) − S(x₀) | every model, up to the quadrature, whose error is estimated |
    ///
    /// # Errors
    /// If the target doesn't fit.
    pub fn certify(&self, target: impl Into<Target<T>>) -> Result<Vec<Certificate>, ExplainError> {
        let target = target.into();
        let mut certificates = self.certify_gap_head(&target)?;
        certificates.extend(self.certify_completeness(&target)?);
        certificates.extend(self.certify_relevance(&target)?);
        certificates.push(self.certify_deep_lift(&target)?);
        certificates.push(self.certify_integrated_gradients(&target)?);
        certificates.push(self.certify_guided(&target)?);
        Ok(certificates)
    }

    /// Whether the target is a sum of outputs.
    fn is_linear(&self, target: &Target<T>) -> Result<bool, ExplainError> {
        Ok(self.resolve(target)?.is_linear())
    }
}
