//! Guided backpropagation conserves nothing.

use nn::Real;
use tensor::pairwise_sum;

use super::{Certificate, Finding};
use crate::error::ExplainError;
use crate::methods::GuidedBackprop;
use crate::pass::Pass;
use crate::target::Target;

impl<T: Real> Pass<'_, T> {
    /// The certificate of the first image.
    pub(super) fn certify_guided(&self, target: &Target<T>) -> Result<Certificate, ExplainError> {
        let finding = match self.why(target.clone()).explain_each(&GuidedBackprop) {
            Ok(guided) => {
                let map = guided[0].raw();
                let terms = map.iter().zip(self.values_of(0)).map(|(g, x)| g.as_f64() * x.as_f64());
                Finding::Unconserved {
                    arrived: pairwise_sum(&terms.collect::<Vec<_>>()),
                    score: self.scores(target.clone())?[0].as_f64(),
                }
            }
            Err(ExplainError::Rule(refused)) => Finding::Inapplicable { reason: refused.to_string() },
            Err(error) => return Err(error),
        };
        Ok(Certificate {
            identity: "guided backpropagation",
            meaning: "nothing is conserved: the rule drops negative gradients, and no sum of its map has a meaning",
            layer: None,
            finding,
        })
    }
}
