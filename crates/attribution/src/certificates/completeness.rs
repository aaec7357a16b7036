//! Completeness of the gradient: at every cut, f·∂S/∂f and the contributions of all later biases add up to the score.

use nn::Real;
use tensor::{Exact, NodeId, Tensor, Var};

use super::residual::gamma;
use super::rounding::{by_image, gap, meeting};
use super::{Certificate, Finding, Residual};
use crate::error::ExplainError;
use crate::methods::bias_gradient;
use crate::pass::Pass;
use crate::path::Path;
use crate::rules::Refusal;
use crate::target::Target;

const IDENTITY: &str = "Σ f·∂S/∂f + Σ b·∂S/∂b = S";
const MEANING: &str = "the gradient accounts for the whole score: f·∂S/∂f at this layer, and the biases after it";

/// The sums for one value on the path, for each image.
struct Entry {
    layer: String,
    /// Σ f·∂S/∂f, and the sum of the terms' magnitudes.
    flows: Vec<[f64; 2]>,
    /// Σ b·∂S/∂b, and the sum of the terms' magnitudes.
    adds: Vec<[f64; 2]>,
    /// A bound on the rounding error of its operation in these sums.
    gap: Vec<f64>,
    /// A bound on the rounding error of adding up the gradients of several readers.
    meeting: Vec<f64>,
    /// Whether every path to the logits passes through it.
    cut: bool,
}

impl<T: Real> Pass<'_, T> {
    /// The certificates of the image and of every cut of the network.
    pub(super) fn certify_completeness(&self, target: &Target<T>) -> Result<Vec<Certificate>, ExplainError> {
        let certificate =
            |layer: Option<String>, finding| Certificate { identity: IDENTITY, meaning: MEANING, layer, finding };
        let inapplicable = |reason| Ok(vec![certificate(None, Finding::Inapplicable { reason })]);
        if !self.is_linear(target)? {
            return inapplicable("the target isn't a sum of scores".into());
        }
        match cuts(&self.path(&self.seed(target)?)?, self.images()) {
            Ok(cuts) => {
                let checked = |(layer, residual)| certificate(Some(layer), Finding::Checked(residual));
                Ok(cuts.into_iter().map(checked).collect())
            }
            Err(refusal) => inapplicable(refusal.to_string()),
        }
    }
}

/// Every cut of the network except the logits, with the residual of the worst image.
pub(super) fn cuts<T: Real>(path: &Path<T>, images: usize) -> Result<Vec<(String, Residual)>, Refusal> {
    let entries = entries(path, images)?;
    // Σ y·∂S/∂y at the logits y: the score itself, for a sum of scores.
    let scores = &entries.last().expect("the logits lie on the path").flows;
    let residual = |(index, entry): (usize, &Entry)| {
        let of_image = |image: usize| {
            let behind = &entries[index + 1..];
            let gaps =
                entry.meeting[image] + behind.iter().map(|later| later.gap[image] + later.meeting[image]).sum::<f64>();
            let [mut left, mut magnitude] = entry.flows[image];
            behind.iter().for_each(|later| {
                left += later.adds[image][0];
                magnitude += later.adds[image][1];
            });
            let [right, size] = scores[image];
            magnitude += size;
            // The sums themselves are pairwise, in double precision.
            Residual::new::<T>(left, right, magnitude, gaps + gamma::<f64>(64) * magnitude)
        };
        (entry.layer.clone(), (0..images).map(of_image).reduce(Residual::worse).expect("a pass has images"))
    };
    Ok(entries[..entries.len() - 1].iter().enumerate().filter(|(_, entry)| entry.cut).map(residual).collect())
}

fn entries<T: Real>(path: &Path<T>, images: usize) -> Result<Vec<Entry>, Refusal> {
    let pairs = |values: &Tensor<T>, gradient: &Tensor<T>| {
        let products = values.cast::<f64>().zip(&gradient.cast(), |v, g| v * g);
        let sizes = products.clone().map(f64::abs);
        by_image(&products, images).into_iter().zip(by_image(&sizes, images)).map(|(a, b)| [a, b]).collect()
    };
    let ids: Vec<Vec<NodeId>> = path.values.iter().map(|value| value.node().input_ids().collect()).collect();
    let entry = |(index, value): (usize, &Var<T>)| {
        let gradient = path.gradient(value);
        let added = if index == 0 { None } else { bias_gradient(path, value)? };
        let ones = added.as_ref().map(|added| Tensor::full(added.shape(), T::one()));
        let gap = if index == 0 { vec![0.0; images] } else { gap(path, value, images)? };
        // At a cut, no later value reads an earlier one.
        let cut = ids[index + 1..].iter().flatten().all(|&id| id >= value.id() || !path.contains(id));
        Ok(Entry {
            layer: value.node().label().unwrap_or_else(|| value.node().any_op().name()).to_string(),
            flows: pairs(value.value(), &gradient),
            adds: added.zip(ones).map_or_else(|| vec![[0.0; 2]; images], |(added, ones)| pairs(&added, &ones)),
            gap,
            meeting: meeting(path, &Exact, value, images),
            cut,
        })
    };
    path.values.iter().enumerate().map(entry).collect()
}
