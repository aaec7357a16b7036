//! DeepLIFT.

use nn::{Model, Real, Recorded};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::Tensor;

use super::prelude::*;
use super::settings::to_value;
use crate::baseline::Baseline;
use crate::pass::Pass;
use crate::rules::Rescale;

static ABOUT: About = About {
    id: "deep-lift",
    title: "DeepLIFT",
    source: "Shrikumar et al. 2017",
    formula: "what each pixel value's difference from a baseline adds to the score's difference, layer by layer",
    looks_at: LooksAt::Input,
    quantity: Quantity::Contribution,
    cost: Cost::OnePass,
    tells: "how the difference between this score and the baseline's is shared out among the pixels, exactly and in one pass",
    does_not_tell: "anything without that comparison: pixels that equal the baseline get nothing, and another baseline gives another map",
    elsewhere: &["DeepLift"],
    chapter: "chapter_12_conservation",
};

/// DeepLIFT, by its rescale rule: each pixel value's part of the difference between the score and a baseline's, `[H, W, C]`.
/// (Shrikumar, Greenside and Kundaje, *Learning Important Features Through Propagating Activation Differences*, 2017.)
///
/// ```text
/// M = m ⊙ (x − x₀),    Σ M = S(x) − S(x₀)
/// ```
///
/// with the multipliers m of the rule [`Rescale`]. The sum is exact but for rounding, and a certificate checks it. The network is
/// run once more, on the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepLift {
    /// The image that is compared with, x₀.
    pub baseline: Baseline,
}

impl DeepLift {
    /// A pass over the baseline, once for each image.
    pub(crate) fn reference<T: Real>(&self, pass: &Pass<'_, T>) -> Result<Recorded<T>, ExplainError> {
        let (baseline, images) = (self.baseline.of(pass.model())?, pass.input());
        let each = baseline.as_slice();
        Ok(pass.model().record(Tensor::from_fn(images.shape(), |i| each[i % each.len()]))?)
    }
}

impl<T: Real> Method<T> for DeepLift {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        pass.check_rule(&Rescale::against(self.reference(pass)?.input()))
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        let reference = self.reference(pass)?;
        let (multipliers, coverage) = question.arriving(&Rescale::against(reference.input()))?;
        let change = pass.input().clone().zip(reference.input().value(), |x, x0| x - x0);
        let maps = pass.pixel_maps(ABOUT.quantity, &change.zip(&multipliers, |change, m| change * m), &multipliers);
        Ok(maps.into_iter().map(|map| Map { coverage: Some(coverage.clone()), ..map }).collect())
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::Array3;

    use super::super::tests::{BOUND, convolution, near_each, transposed, with_network};
    use super::DeepLift;
    use crate::Baseline;

    pub(crate) fn check() {
        with_network(|pass, x| {
            let value = |name: &str| pass.model().parameter(name).unwrap();
            let [w1, w2, fc] = ["conv1.weight", "conv2.weight", "fc.weight"].map(value);
            let [b1, b2] = ["conv1.bias", "conv2.bias"].map(|name| value(name).as_slice());
            // Before and after both activations.
            let values = |x: &Array3<f64>| {
                let before1 = convolution(x, w1, b1);
                let after1 = before1.mapv(|v| v.max(0.0));
                let before2 = convolution(&after1, w2, b2);
                let after2 = before2.mapv(|v| v.clamp(0.0, BOUND));
                [before1, after1, before2, after2]
            };
            for start in [0.2, -0.7] {
                let (here, there) = (values(x), values(&x.mapv(|_| start)));
                let change = |index: usize| &here[index] - &there[index];
                for class in 0..3 {
                    let positions = (x.dim().0 * x.dim().1) as f64;
                    let pooled = Array3::from_shape_fn(here[3].dim(), |(_, _, c)| fc.view()[[c, class]] / positions);
                    let m2 = transposed(&(pooled * change(3) / change(2)), w2, 4);
                    let m1 = transposed(&(m2 * change(1) / change(0)), w1, 2);
                    let expected = m1 * x.mapv(|x| x - start);
                    let method = DeepLift { baseline: Baseline::Value(start) };
                    let found = pass.why(class).explain(&method).unwrap();
                    near_each(found.raw(), &expected, "DeepLIFT");
                    assert_eq!(found.coverage().unwrap().to_string(), "2 of 2 ReLUs, ReLU6 included");
                }
            }
        });
    }
}
