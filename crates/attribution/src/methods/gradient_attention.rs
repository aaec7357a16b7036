//! Attention weighted by its gradient.

use nn::{Real, Source};
use serde::{Deserialize, Serialize};
use tensor::{Exact, Var, on_pool};

use super::attention::Attention;
use super::prelude::*;
use crate::pass::{Pass, one_of};

static ABOUT: About = About {
    id: "gradient-attention",
    title: "gradient-weighted attention",
    source: "Chefer et al. 2021",
    formula: "the attention of all blocks times its gradient, of which only positive products count, added up along all ways; \
              transformers",
    looks_at: LooksAt::Attention,
    quantity: Quantity::Evidence,
    cost: Cost::OnePass,
    tells: "on which patches more attention would raise the score, block upon block",
    does_not_tell: "what speaks against the class, nor what the values carry: only where tokens look counts, and only the \
                    positive part",
    elsewhere: &["Transformer-MM-Explainability"],
    chapter: "chapter_18_attention",
};

/// Attention weighted by its gradient: how much attention to each patch, in every block, raises the score, `[h, w]` in
/// patches. (Chefer, Gur and Wolf, *Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
/// Transformers*, 2021, eqs. 5 and 6.)
///
/// ```text
/// Āₗ = mean over heads of (∂S/∂Aₗ ⊙ Aₗ)⁺        R ← R + Āₗ·R, block after block, from R = I
/// ```
///
/// The map is the class token's row of R − I, or the mean row if the tokens are averaged; tokens without a place are left out.
/// It needs blocks whose attention is between the same tokens, all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GradientAttention;

impl<T: Real> Method<T> for GradientAttention {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        Attention::of(pass.model(), ABOUT.title).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        let attention = Attention::of(pass.model(), ABOUT.title)?;
        let seed = question.scores_seed(ABOUT.title)?;
        let vars: Vec<&Var<T>> = attention.layers.iter().map(|&layer| pass.var(Source::Layer(layer))).collect();
        let outputs = pass.forward().logits();
        let gradients =
            on_pool(|| pass.tape().backward_from(outputs, seed.gradient, &Exact, vars.iter().copied()))?;
        let map = |image| {
            let flow = |var: &&Var<T>| {
                let (values, gradient) = (one_of(var.value(), image), one_of(&gradients[*var], image));
                let heads = T::from_f64((values.len() / attention.pairs()) as f64);
                let mut mean = vec![T::zero(); attention.pairs()];
                for (pair, (&a, &g)) in values.iter().zip(gradient).enumerate() {
                    let product = a * g;
                    // NaN stays.
                    mean[pair % attention.pairs()] += if product < T::zero() { T::zero() } else { product };
                }
                mean.iter_mut().for_each(|sum| *sum /= heads);
                mean
            };
            let values = attention.map(vars.iter().rev().map(flow), true);
            let is_zero = vars.iter().all(|var| one_of(&gradients[*var], image).iter().all(|g| g.is_zero()));
            attention.placed(pass, image, ABOUT.quantity, values, is_zero)
        };
        Ok((0..pass.images()).map(map).collect())
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Axis};

    use super::super::tests::{attention_of, heads_of, near, on_patches, with_transformers};
    use super::GradientAttention;

    pub(crate) fn check() {
        with_transformers(|pass, readout| {
            for class in 0..3 {
                let maps = pass.why(class).explain_each(&GradientAttention).unwrap();
                for (image, map) in maps.iter().enumerate() {
                    let tokens = attention_of(pass, 0, image).dim().1;
                    let mut r = Array2::<f64>::eye(tokens);
                    for block in 0..2 {
                        let gradient = pass.gradient_at(&format!("block{block}.attention"), class).unwrap();
                        let weighted = attention_of(pass, block, image) * heads_of(&gradient, image);
                        let a = weighted.mapv(|v| v.max(0.0)).mean_axis(Axis(0)).unwrap();
                        r = &r + &a.dot(&r);
                    }
                    let expected = on_patches(&(r - Array2::<f64>::eye(tokens)), readout);
                    assert!(expected.iter().any(|&v| v > 0.0));
                    near(&map.per_cell(), &expected, "gradient-weighted attention");
                }
            }
        });
    }
}
