//! Completeness of the gradient: at every cut, what flows through it and the biases behind it make up the score.

use nn::Real;
use tensor::{NodeId, Tensor, Var};

use super::residual::gamma;
use super::rounding::{by_image, gap};
use super::{Certificate, Finding, Residual};
use crate::error::ExplainError;
use crate::methods::{bias_gradient, passed_on};
use crate::pass::Pass;
use crate::path::Path;
use crate::target::Target;

const IDENTITY: &str = "Σ f·∂S/∂f + Σ b·∂S/∂b = S";
const MEANING: &str = "the gradient explains the whole score: what flows through here, and the biases behind it";

/// What one value on the path adds to the sums, for each image.
struct Entry {
    layer: String,
    /// Σ f·∂S/∂f, and the sum of the magnitudes.
    flows: Vec<[f64; 2]>,
    /// Σ b·∂S/∂b, likewise.
    adds: Vec<[f64; 2]>,
    /// How far the roundings of its operation can put the sums off.
    gap: Vec<f64>,
    /// How far those can where the gradients of several readers meet here.
    meeting: Vec<f64>,
    /// Whether everything flows through it.
    cut: bool,
}

impl<T: Real> Pass<'_, T> {
    /// For the image, and for every cut of the network.
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
            Err(reason) => inapplicable(reason),
        }
    }
}

/// Every value that all of the score flows through, other than the logits, and the residual of the worst image there.
pub(super) fn cuts<T: Real>(path: &Path<T>, images: usize) -> Result<Vec<(String, Residual)>, String> {
    let entries = entries(path, images)?;
    // Σ y·∂S/∂y at the logits y: the score itself, for a sum of scores.
    let scores = &entries.last().expect("the logits lie on the path").flows;
    let residual = |(place, entry): (usize, &Entry)| {
        let of_image = |image: usize| {
            let behind = &entries[place + 1..];
            let gaps =
                entry.meeting[image] + behind.iter().map(|later| later.gap[image] + later.meeting[image]).sum::<f64>();
            let [mut left, mut magnitude] = entry.flows[image];
            behind.iter().for_each(|later| {
                left += later.adds[image][0];
                magnitude += later.adds[image][1];
            });
            let [right, size] = scores[image];
            magnitude += size;
            // These sums are in double precision, pairwise.
            Residual::new::<T>(left, right, magnitude, gaps + gamma::<f64>(64) * magnitude)
        };
        (entry.layer.clone(), (0..images).map(of_image).reduce(Residual::worse).expect("a pass has images"))
    };
    Ok(entries[..entries.len() - 1].iter().enumerate().filter(|(_, entry)| entry.cut).map(residual).collect())
}

fn entries<T: Real>(path: &Path<T>, images: usize) -> Result<Vec<Entry>, String> {
    let pairs = |values: &Tensor<T>, gradient: &Tensor<T>| {
        let products = values.cast::<f64>().zip(&gradient.cast(), |v, g| v * g);
        let sizes = products.clone().map(f64::abs);
        by_image(&products, images).into_iter().zip(by_image(&sizes, images)).map(|(a, b)| [a, b]).collect()
    };
    let ids: Vec<Vec<NodeId>> = path.values.iter().map(|value| value.node().input_ids().collect()).collect();
    let entry = |(place, value): (usize, &Var<T>)| {
        let gradient = path.gradient(value);
        let added = if place == 0 { None } else { bias_gradient(value, &gradient)? };
        let ones = added.as_ref().map(|added| Tensor::full(added.shape(), T::one()));
        let gap = if place == 0 { vec![0.0; images] } else { gap(value, &gradient, images)? };
        // Nothing later reads anything earlier.
        let cut = ids[place + 1..].iter().flatten().all(|&id| id >= value.id() || !on_path(path, id));
        Ok(Entry {
            layer: value.node().label().unwrap_or_else(|| value.node().any_op().name()).to_string(),
            flows: pairs(value.value(), &gradient),
            adds: added.zip(ones).map_or_else(|| vec![[0.0; 2]; images], |(added, ones)| pairs(&added, &ones)),
            gap,
            meeting: meeting(path, value, images),
            cut,
        })
    };
    path.values.iter().enumerate().map(entry).collect()
}

fn on_path<T: Real>(path: &Path<T>, id: NodeId) -> bool {
    path.values.binary_search_by_key(&id, |value| value.id()).is_ok()
}

/// What rounding can do where the gradients of several readers of a value are added up.
fn meeting<T: Real>(path: &Path<T>, value: &Var<T>, images: usize) -> Vec<f64> {
    let mut readers = Vec::new();
    for reader in &path.values {
        readers.extend(
            reader.node().input_ids().enumerate().filter(|(_, id)| *id == value.id()).map(|(i, _)| (reader, i)),
        );
    }
    let mut sums = vec![0.0; images];
    if readers.len() > 1 {
        for (reader, input) in &readers {
            let handed = passed_on(reader, *input, &path.gradient(reader));
            let sizes = by_image(&handed.zip(value.value(), |g, f| (g * f).abs()), images);
            sums.iter_mut().zip(sizes).for_each(|(sum, size)| *sum += gamma::<T>(readers.len() - 1) * size);
        }
    }
    sums
}
