//! Conservation of relevance.

use nn::{Real, Source};
use tensor::{Tensor, Var};

use super::attention;
use super::residual::gamma;
use super::rounding::{by_image, gap, meeting, products};
use super::{Certificate, Finding, Residual};
use crate::error::ExplainError;
use crate::methods::{Preset, bias_gradient};
use crate::pass::Pass;
use crate::path::Path;
use crate::rules::{Composite, Epsilon, LrpOnTape, Operation, Reading, Refusal};
use crate::target::{Seed, Target};

const IDENTITIES: [(&str, &str); 2] = [
    ("Σ R + kept = S (LRP-ε)", "no relevance is lost: biases and stabilizers keep what the image doesn't get"),
    (
        "Σ R + kept = S (LRP by depth)",
        "the same with ε in the fully connected layers, z⁺ in the convolutions, and zᴮ or the flat rule at the image",
    ),
];

impl<T: Real> Pass<'_, T> {
    pub(super) fn certify_relevance(&self, target: &Target<T>) -> Result<Vec<Certificate>, ExplainError> {
        let (linear, Seed { layer, gradient: seed }) = (self.is_linear(target)?, self.seed(target)?);
        let ends = [self.forward().input(), self.var(Source::Layer(layer))];
        let rules = [Composite::everywhere(Epsilon::default()), Preset::EpsilonPlusBox.composite(self.model())];
        let certificate = |((identity, meaning), lrp): ((&'static str, &'static str), Composite<T>)| {
            let finding = match conservation(&lrp, ends, &seed) {
                _ if !linear => Finding::Inapplicable { reason: "the target isn't a sum of scores".into() },
                Ok(residual) => Finding::Checked(residual),
                Err(refused) => Finding::Inapplicable { reason: refused.to_string() },
            };
            Certificate { identity, meaning, layer: None, finding }
        };
        Ok(IDENTITIES.into_iter().zip(rules).map(certificate).collect())
    }
}

/// The residual between the image and the logits, for the worst image.
pub(super) fn conservation<T: Real>(
    lrp: &Composite<T>,
    [input, logits]: [&Var<T>; 2],
    seed: &Tensor<T>,
) -> Result<Residual, ExplainError> {
    let (tape, images) = (input.tape(), input.shape()[0]);
    let rule = lrp.on(tape, input)?;
    let path = Path::under(&rule, [input, logits], seed)?;
    let (image, operations) = path.values.split_first().expect("the image lies on the path");
    let mut sums = Sums::new(images);
    sums.add(&rule.relevance(image.value(), path.gradient(image)).cast());
    for value in &path.values {
        sums.allow(&meeting(&path, &rule, value, images));
    }
    for value in operations {
        if let Some((kept, gap)) = operation(&rule, &path, value, images)? {
            sums.add(&kept.cast());
            sums.allow(&gap);
        }
    }
    let score = logits.value().cast::<f64>().zip(&seed.cast(), |y, g| y * g);
    let scores = by_image(&score, images).into_iter().zip(by_image(&score.map(f64::abs), images));
    let residuals = scores.enumerate().map(|(image, (right, size))| {
        let magnitude = sums.sizes[image] + size;
        // The sums themselves are pairwise, in double precision.
        let allowed = sums.allowed[image] + gamma::<f64>(64) * magnitude;
        Residual::new::<T>(sums.totals[image], right, magnitude, allowed)
    });
    Ok(residuals.reduce(Residual::worse).expect("a pass has images"))
}

/// The relevance that an operation keeps, and a bound on its rounding errors; `None` if it is folded into another.
type Balance<T> = Option<(Tensor<T>, Vec<f64>)>;

fn operation<T: Real>(
    rule: &LrpOnTape<T>,
    path: &Path<T>,
    value: &Var<T>,
    images: usize,
) -> Result<Balance<T>, Refusal> {
    let (node, gradient) = (value.node(), path.gradient(value));
    if rule.is_folded(node.id()) {
        return Ok(None);
    }
    if let Some((layer, layer_rule)) = rule.layer(node) {
        let upstream = gradient.reshape(layer.output().shape());
        let gap = products(&layer, layer_rule, &upstream, images);
        return Ok(Some((layer_rule.kept(&layer, &upstream), gap)));
    }
    let nothing = || Tensor::zeros(node.shape());
    let balance = match rule.reading(node).ok_or_else(|| Refusal::NoRelevance(Operation::of(node)))? {
        Reading::ChainRule => (bias_gradient(path, value)?.unwrap_or_else(nothing), gap(path, value, images)?),
        Reading::Activation => {
            // g·y/x is a quotient and a product.
            let sizes = by_image(&gradient.clone().zip(node.output(), |g, y| (g * y).abs()), images);
            (nothing(), sizes.into_iter().map(|size| gamma::<T>(2) * size).collect())
        }
        // Both halves are off by as much as each whole product would be.
        Reading::Product | Reading::Gated { .. } => (nothing(), gap(path, value, images)?),
        Reading::Softmax => attention::softmax(node, &gradient, images),
        Reading::Normalization => attention::normalization(node, &gradient, images),
    };
    Ok(Some(balance))
}

/// Sums for each image.
struct Sums {
    totals: Vec<f64>,
    sizes: Vec<f64>,
    allowed: Vec<f64>,
}

impl Sums {
    fn new(images: usize) -> Self {
        Self { totals: vec![0.0; images], sizes: vec![0.0; images], allowed: vec![0.0; images] }
    }

    fn add(&mut self, values: &Tensor<f64>) {
        let images = self.totals.len();
        self.totals.iter_mut().zip(by_image(values, images)).for_each(|(total, sum)| *total += sum);
        let sizes = by_image(&values.clone().map(f64::abs), images);
        self.sizes.iter_mut().zip(sizes).for_each(|(size, sum)| *size += sum);
    }

    fn allow(&mut self, gaps: &[f64]) {
        self.allowed.iter_mut().zip(gaps).for_each(|(allowed, gap)| *allowed += gap);
    }
}
