//! Layer-wise relevance propagation.

use nn::Real;
use tensor::on_pool;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::pass::Pass;
use crate::rules::Lrp;
use crate::saliency::Saliency;
use crate::target::Target;

impl<T: Real> Pass<'_, T> {
    /// Layer-wise relevance propagation: each pixel value's share of the score, `[H, W, C]`, handed down layer by layer
    /// ([`Lrp`]; Bach et al. 2015).
    ///
    /// The shares add up to the score but for what biases keep. Everything hangs on the rules: ε alone is little else than
    /// input × gradient, z⁺ depends little on the class (Sixt, Granz and Landgraf, *When Explanations Lie: Why Many Modified
    /// BP Attributions Fail*, 2020).
    ///
    /// # Errors
    /// Where the rules have no reading for the model, name a layer that it doesn't have, or the target doesn't fit.
    pub fn lrp(&self, target: impl Into<Target<T>>, lrp: &Lrp<T>) -> Result<Explanation<Saliency<T>>, ExplainError> {
        let (target, input) = (target.into(), self.forward().input());
        let rule = lrp.on(self.tape(), input)?;
        let (logits, seed) = (self.forward().logits(), self.seed(&target)?);
        let mut gradients = on_pool(|| self.tape().backward_from(logits, seed, &rule, [input]))?;
        let arrived = gradients.take(input).expect("asked for");
        let relevance = rule.relevance(self.input(), arrived);
        Ok(Explanation {
            method: "LRP",
            target: target.to_string(),
            layers: Vec::new(),
            coverage: Some(rule.in_words()),
            maps: self.saliencies(&relevance, &relevance),
        })
    }
}
