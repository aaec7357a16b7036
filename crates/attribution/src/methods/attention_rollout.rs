//! Attention rollout.

use nn::{Model, Real, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attention::Attention;
use super::prelude::*;
use super::settings::to_value;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "attention-rollout",
    title: "attention rollout",
    source: "Abnar and Zuidema 2020",
    formula: "the attention of all blocks, each averaged with the skip connection, multiplied; knows no class; transformers",
    looks_at: LooksAt::Attention,
    quantity: Quantity::Magnitude,
    cost: Cost::OnePass,
    tells: "from which patches information could reach the scores' tokens, if attention were all that a block did",
    does_not_tell: "anything about a class, nor what the tokens' values are used for: it reads no weight behind the attention",
    elsewhere: &["VITAttentionRollout"],
    chapter: "chapter_18_attention",
};

/// Attention rollout: how the attention of all blocks adds up along all ways from the patches to the token that the scores
/// are computed from, `[h, w]` in patches. (Abnar and Zuidema, *Quantifying Attention Flow in Transformers*, 2020, eq. 1.)
///
/// ```text
/// Âₗ = ½·Aₗ + ½·I, each row divided by its sum        R = Â_L ⋯ Â₂ Â₁
/// ```
///
/// where Aₗ `[T, T]` combines the heads of block l. The map is the class token's row of R, or the mean row if the tokens are
/// averaged; tokens without a place are left out. It needs blocks whose attention is between the same tokens, all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionRollout {
    /// How a block's heads are combined.
    pub heads: Heads,
}

/// How the attention of a block's heads becomes one matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heads {
    /// The mean, as in the paper.
    #[default]
    Mean,
    /// The smallest of each pair of tokens.
    Min,
    /// The largest of each pair of tokens.
    Max,
}

impl Heads {
    /// One matrix for several.
    fn combined<'v, T: Real>(self, mut heads: impl ExactSizeIterator<Item = &'v [T]>) -> Vec<T> {
        let count = T::from_f64(heads.len() as f64);
        let mut all = heads.next().map(<[T]>::to_vec).unwrap_or_default();
        for head in heads {
            let combine = |a: T, b: T| match self {
                Self::Mean => a + b,
                // NaN stays.
                Self::Min => if b < a || b.is_nan() { b } else { a },
                Self::Max => if b > a || b.is_nan() { b } else { a },
            };
            all.iter_mut().zip(head).for_each(|(a, &b)| *a = combine(*a, b));
        }
        if self == Self::Mean {
            all.iter_mut().for_each(|a| *a /= count);
        }
        all
    }
}

/// ½·A + ½·I, each row divided by its sum.
fn with_skip<T: Real>(mut attention: Vec<T>, tokens: usize) -> Vec<T> {
    let half = T::from_f64(0.5);
    for (token, row) in attention.chunks_exact_mut(tokens).enumerate() {
        row.iter_mut().for_each(|a| *a *= half);
        row[token] += half;
        let sum = tensor::pairwise_sum(row);
        row.iter_mut().for_each(|a| *a /= sum);
    }
    attention
}

impl<T: Real> Method<T> for AttentionRollout {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        Attention::of(pass.model(), ABOUT.title).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        let attention = Attention::of(pass.model(), ABOUT.title)?;
        question.scores_seed(ABOUT.title)?;
        let map = |image| {
            let flow = |&layer: &usize| {
                let heads = attention.heads(pass.var(Source::Layer(layer)).value(), image);
                with_skip(self.heads.combined(heads), attention.tokens())
            };
            let values = attention.map(attention.layers.iter().rev().map(flow), false);
            attention.placed(pass, image, ABOUT.quantity, values, false)
        };
        Ok((0..pass.images()).map(map).collect())
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Array3, Axis};

    use super::super::tests::{attention_of, near, on_patches, with_transformers};
    use super::{AttentionRollout, Heads};
    use crate::testing::{Readout, model, transformer};
    use crate::{ExplainError, Pass};

    /// One matrix for several heads'.
    type Combine = dyn Fn(&Array3<f64>) -> Array2<f64>;

    /// R, by matrix products.
    fn rollout(blocks: &[Array3<f64>], combine: &Combine) -> Array2<f64> {
        let tokens = blocks[0].dim().1;
        let mut product = Array2::<f64>::eye(tokens);
        for block in blocks {
            let mut a = combine(block) * 0.5 + Array2::<f64>::eye(tokens) * 0.5;
            let sums = a.sum_axis(Axis(1));
            a.axis_iter_mut(Axis(0)).zip(&sums).for_each(|(mut row, sum)| row /= *sum);
            product = a.dot(&product);
        }
        product
    }

    pub(crate) fn check() {
        with_transformers(|pass, readout| {
            let fold = |f: fn(f64, f64) -> f64| move |a: &Array3<f64>| a.fold_axis(Axis(0), f64::NAN, |m, &a| f(*m, a));
            let combinations: [(Heads, Box<Combine>); 3] = [
                (Heads::Mean, Box::new(|a| a.mean_axis(Axis(0)).unwrap())),
                (Heads::Min, Box::new(fold(f64::min))),
                (Heads::Max, Box::new(fold(f64::max))),
            ];
            for (heads, combine) in combinations {
                let maps = pass.why(1).explain_each(&AttentionRollout { heads }).unwrap();
                for (image, map) in maps.iter().enumerate() {
                    let blocks = [0, 1].map(|block| attention_of(pass, block, image));
                    let expected = on_patches(&rollout(&blocks, &combine), readout);
                    near(&map.per_cell(), &expected, "attention rollout");
                    if heads == Heads::Mean && readout == Readout::Mean {
                        assert!((map.per_cell().sum() - 1.0).abs() < 1e-12, "a share of each patch");
                    }
                }
            }
        });
        knows_no_class();
        let other = model();
        let pass = Pass::new(&other, crate::testing::images(1)).unwrap();
        let refused = pass.why(1).explain(&AttentionRollout::default()).unwrap_err();
        assert!(matches!(refused, ExplainError::NoAttention), "{refused}");
    }

    /// "Attention is not explanation": with other weights behind the attention of the last block the scores are others, and so
    /// are the reasons for them; the map stays as it is, to the bit.
    fn knows_no_class() {
        let one = transformer(Readout::ClassToken);
        let mut other = one.clone();
        for name in ["fc.weight", "fc.bias", "block1.projected.weight", "block1.narrow.weight"] {
            other.set_parameter(name, one.parameter(name).unwrap().clone().map(|w| -w)).unwrap();
        }
        let [one, other] = [&one, &other].map(|model| Pass::new(model, crate::testing::pictures(1)).unwrap());
        let map = |pass: &Pass<'_, f64>, class: usize| pass.why(class).explain(&AttentionRollout::default()).unwrap();
        let order = |pass: &Pass<'_, f64>| pass.top(3).iter().map(|said| said.class).collect::<Vec<_>>();
        assert_ne!(order(&one), order(&other), "another class is the likeliest");
        assert_eq!(map(&one, 0).raw(), map(&one, 2).raw());
        assert_eq!(map(&one, 0).raw(), map(&other, 0).raw());
        let evidence = |pass: &Pass<'_, f64>| pass.why(0).explain(&super::super::GradientAttention).unwrap();
        assert_ne!(evidence(&one).raw(), evidence(&other).raw());
    }
}
