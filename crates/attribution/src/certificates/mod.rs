//! Certificates: what theory says must hold, checked at run time on this model and this image.
//!
//! An identity has two sides that the arithmetic computes in different ways. [`Pass::certify`] computes both and says how far
//! they are apart: in ulps of the magnitude of what was added up ([`Residual`]), beside the most that rounding can account
//! for. Where an identity doesn't apply it says why.

mod completeness;
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
use crate::target::{Resolved, Target};

pub use residual::Residual;

/// An identity, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// The identity, as a formula.
    pub identity: &'static str,
    /// What it says, in words.
    pub meaning: &'static str,
    /// The layer it was checked at; `None` where it speaks of the whole model.
    pub layer: Option<String>,
    /// What was found.
    pub finding: Finding,
}

/// What was found of an identity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It was checked; of a batch, the image with the largest residual in relation to what is allowed.
    Checked(Residual),
    /// Likewise, but what is allowed is an estimate: a residual within it is what is to be expected, one beyond it proves
    /// nothing.
    Estimated(Residual),
    /// It says nothing of this model or target.
    Inapplicable {
        /// Why.
        reason: String,
    },
    /// Nothing is conserved, and no identity is claimed: what arrived, and what there was.
    Unconserved {
        /// Σ x·g at the image.
        arrived: f64,
        /// The score.
        score: f64,
    },
}

impl Certificate {
    /// Whether what must hold holds; `None` where nothing must, or where it is only estimated how far it must.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        match &self.finding {
            Finding::Checked(residual) => Some(residual.holds()),
            _ => None,
        }
    }
}

impl<T: Real> Pass<'_, T> {
    /// Checks what theory says of this model and these images, for a class or a sum of classes: see the certificates' own
    /// pages of the book, [what is conserved](crate::book::chapter_12_conservation) and
    /// [class activation maps](crate::book::chapter_09_cam).
    ///
    /// | identity | applies to |
    /// | --- | --- |
    /// | CAM = Z · Grad-CAM | a GAP → FC head |
    /// | HiResCAM = Grad-CAM | a GAP → FC head |
    /// | mean CAM + bias = S | a GAP → FC head |
    /// | Σ f·∂S/∂f + Σ b·∂S/∂b = S | every cut of the network, the image among them |
    /// | Σ R + what was kept = S | layer-wise relevance propagation |
    /// | Σ IG = S(x) − S(x₀) | every model, up to the quadrature, whose error is estimated |
    ///
    /// # Errors
    /// Where the target doesn't fit.
    pub fn certify(&self, target: impl Into<Target<T>>) -> Result<Vec<Certificate>, ExplainError> {
        let target = target.into();
        let mut certificates = self.certify_gap_head(&target)?;
        certificates.extend(self.certify_completeness(&target)?);
        certificates.extend(self.certify_relevance(&target)?);
        certificates.push(self.certify_integrated_gradients(&target)?);
        certificates.push(self.certify_guided(&target)?);
        Ok(certificates)
    }

    /// Whether the target is a sum of scores.
    fn is_linear(&self, target: &Target<T>) -> Result<bool, ExplainError> {
        Ok(matches!(self.resolve(target)?, Resolved::Linear(_)))
    }
}
