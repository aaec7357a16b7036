//! Completeness of DeepLIFT.

use nn::{Real, Source};
use tensor::{Tensor, Var};

use super::residual::gamma;
use super::rounding::{by_image, gap_at, meeting_times, most_copies, sums};
use super::{Certificate, Finding, Residual};
use crate::error::ExplainError;
use crate::methods::DeepLift;
use crate::pass::Pass;
use crate::path::Path;
use crate::rules::{Multiplier, Operation, Refusal, Rescale};
use crate::target::{Seed, Target};

impl<T: Real> Pass<'_, T> {
    pub(super) fn certify_deep_lift(&self, target: &Target<T>) -> Result<Certificate, ExplainError> {
        let Seed { layer, gradient } = self.seed(target)?;
        let finding = if self.is_linear(target)? {
            let reference = DeepLift::default().reference(self)?;
            let ends = [self.forward().input(), self.var(Source::Layer(layer))];
            match completeness(reference.input(), ends, &gradient) {
                Ok(residual) => Finding::Checked(residual),
                Err(refused) => Finding::Inapplicable { reason: refused.to_string() },
            }
        } else {
            Finding::Inapplicable { reason: "the target isn't a sum of scores".into() }
        };
        Ok(Certificate {
            identity: "Σ m·Δx = S(x) − S(x₀)",
            meaning: "DeepLIFT accounts for the whole difference to the baseline",
            layer: None,
            finding,
        })
    }
}

/// The residual of the image that comes nearest to its bound.
///
/// An operation's Σ m_x·Δx differs from Σ m_y·Δy by roundings alone. The differences are those of computed values.
pub(super) fn completeness<T: Real>(
    reference: &Var<T>,
    [input, output]: [&Var<T>; 2],
    seed: &Tensor<T>,
) -> Result<Residual, ExplainError> {
    let images = input.shape()[0];
    let rule = Rescale::against(reference);
    let path = Path::under(&rule, [input, output], seed)?;
    let start = |value: &Var<T>| {
        let refused = || Refusal::NoReference(Operation::of(value.node()));
        reference.tape().var(value.id()).ok_or_else(refused)
    };
    let change = |value: &Var<T>| Ok::<_, Refusal>(difference(value.value(), start(value)?.value()));
    let mut allowed = vec![0.0; images];
    let mut allow = |gaps: Vec<f64>| allowed.iter_mut().zip(gaps).for_each(|(sum, gap)| *sum += gap);
    for (index, value) in path.values.iter().enumerate() {
        let change = change(value)?.cast();
        allow(meeting_times(&path, &rule, value, &change, images));
        if index > 0 {
            allow(operation(&rule, &path, [value, &start(value)?], &change, images)?);
        }
    }
    let products = |value: &Var<T>, multipliers: &Tensor<T>| {
        let products = change(value)?.zip(&multipliers.cast(), |change, m| change * m);
        let sizes = by_image(&products.clone().map(f64::abs), images);
        Ok::<_, Refusal>(by_image(&products, images).into_iter().zip(sizes).collect::<Vec<_>>())
    };
    let (left, right) = (products(input, &path.gradient(input))?, products(output, seed)?);
    let residual = left.into_iter().zip(right).zip(allowed).map(|(((left, size), (right, other)), allowed)| {
        let magnitude = size + other;
        // The sums themselves are pairwise, in double precision.
        Residual::new::<T>(left, right, magnitude, allowed + gamma::<f64>(64) * magnitude)
    });
    Ok(residual.reduce(Residual::worse).expect("a pass has images"))
}

fn difference<T: Real>(x: &Tensor<T>, x0: &Tensor<T>) -> Tensor<f64> {
    x.cast::<f64>().zip(&x0.cast(), |x, x0| x - x0)
}

/// A bound on |Σ m_y·Δy − Σ m_x·Δx| for one operation, for each image.
fn operation<T: Real>(
    rule: &Rescale<T>,
    path: &Path<T>,
    [value, start]: [&Var<T>; 2],
    change: &Tensor<T>,
    images: usize,
) -> Result<Vec<f64>, Refusal> {
    let (node, multipliers) = (value.node(), path.gradient(value));
    let bound = |terms: Tensor<T>, roundings: usize| -> Vec<f64> {
        let sizes = by_image(&terms.zip(&multipliers, |size, m| (size * m).abs()), images);
        sizes.into_iter().map(|size| gamma::<T>(roundings) * size).collect()
    };
    match rule.reading(node).ok_or_else(|| Refusal::NoMultiplier(Operation::of(node)))? {
        Multiplier::ChainRule => {
            let at = |pass: &Var<T>| gap_at(path, value, pass.node(), images);
            Ok(at(value)?.into_iter().zip(at(start)?).map(|(a, b)| a + b).collect())
        }
        // Two differences, a product and a quotient.
        Multiplier::Quotient => Ok(bound(change.clone(), 4)),
        Multiplier::Maximum => {
            let top = value.value().clone().zip(start.value(), T::max);
            let rise = top.clone().zip(start.value(), |top, y0| top - y0);
            let both = top.zip(value.value(), |top, y| top - y).zip(&rise, |fall, rise| fall + rise);
            // Two sums over the windows whose maximum a value is.
            Ok(bound(both, most_copies(value) + most_copies(start) + 5))
        }
        Multiplier::Product => {
            let size =
                |input: usize| node.input(input).clone().zip(start.node().input(input), |x, x0| x.abs() + x0.abs());
            let (terms, roundings) =
                sums(path, node, size).ok_or_else(|| Refusal::UnknownRounding(Operation::of(node)))?;
            Ok(bound(terms, roundings + 3))
        }
    }
}
