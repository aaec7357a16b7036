//! Bounds on rounding errors.
//!
//! Let y = fl(A x + b) be an operation's output and g_x = fl(Aᵀ g_y) its input gradient. By the definition of the
//! transpose, ⟨y, g_y⟩ = ⟨x, g_x⟩ + ⟨b, g_y⟩, except for the rounding of y and of g_x. The error of a sum of n
//! products, in any order, is at most γₙ times the sum of their magnitudes (Higham 2002, §3.1). So the gap is at most
//!
//! ```text
//! (γ_forward + γ_backward) · Σⱼ Aⱼ |gⱼ|,     Aⱼ = Σᵢ |aᵢⱼ xᵢ| + |bⱼ|
//! ```
//!
//! One operation's input gradient is the next one's output gradient. So the gaps of all operations add up to the gap
//! between the score and Σ x·g at the image. With depth, only the number of operations grows.

use nn::Real;
use nn::kernels::conv::{Algorithm, Pass as Way, choose};
use nn::layers::{Apply, AvgPool, BatchNormEvaluation, GlobalAvgPool, MatMul};
use tensor::ops::{Add, Mul, Neg, Pad, Sub};
use tensor::{Element, Nature, Node, Rule, Tape, Tensor, Var};

use super::residual::gamma;
use crate::methods::{passed_on, passed_on_under};
use crate::path::Path;
use crate::rules::{Epsilon, Inputs, LrpRule, Operation, Products, Refusal};

/// A bound on |⟨y, g⟩ − ⟨x, g_x⟩ − ⟨b, g⟩| for one operation, for each image.
///
/// # Errors
/// [`Refusal::UnknownRounding`] if no bound is known for the operation.
pub(super) fn gap<T: Real>(path: &Path<T>, value: &Var<T>, images: usize) -> Result<Vec<f64>, Refusal> {
    gap_at(path, value, value.node(), images)
}

/// The same with the values of the same operation in another pass, `node`.
pub(super) fn gap_at<T: Real>(
    path: &Path<T>,
    value: &Var<T>,
    node: &Node<T>,
    images: usize,
) -> Result<Vec<f64>, Refusal> {
    let nature = node.any_op().nature();
    let gradient = &path.gradient(value);
    if let Some(layer) = Products::of(node, None) {
        let upstream = gradient.reshape(layer.output().shape());
        return Ok(products(&layer, &Epsilon(0.0), &upstream, images));
    }
    // A, and the number of roundings in the forward and backward passes.
    let (terms, roundings) = match nature {
        // The gradient of a copied element is the sum of its copies' gradients.
        Nature::Moves | Nature::Chooses => (absolute(node.output()), most_copies(value).saturating_sub(1)),
        // The bound times the gradient.
        Nature::Rectifier { .. } => (absolute(node.output()), usize::from(!nature.is_homogeneous())),
        // The slope times x, and the slope times the gradient.
        Nature::Bends => (absolute(node.output()), 2),
        Nature::Smooth => {
            // b = y·g − x·g_x: two products and a difference.
            let passed = passed_on(value, 0, gradient).zip(node.input(0), |g, x| g * x);
            let sizes = gradient.clone().zip(node.output(), |g, y| g * y).zip(&passed, |a, b| a.abs() + b.abs());
            return Ok(by_image(&sizes, images).into_iter().map(|sum| gamma::<T>(2) * sum).collect());
        }
        _ => sums(path, node, |input| absolute(node.input(input)))
            .ok_or_else(|| Refusal::UnknownRounding(Operation::of(node)))?,
    };
    if roundings == 0 {
        return Ok(vec![0.0; images]);
    }
    let sums = by_image(&terms.zip(gradient, |m, g| m * g.abs()), images);
    Ok(sums.into_iter().map(|sum| gamma::<T>(roundings) * sum).collect())
}

/// A, and the number of roundings in the forward and backward passes, for some operations that compute sums. For
/// products and means, A is computed from the magnitudes of the inputs, which `size` returns.
pub(super) fn sums<T: Real>(
    path: &Path<T>,
    node: &Node<T>,
    size: impl Fn(usize) -> Tensor<T>,
) -> Option<(Tensor<T>, usize)> {
    let tape = Tape::new();
    let input_of = |index: usize| tape.leaf(size(index));
    let input = || input_of(0);
    if node.op::<Neg>().is_some() {
        Some((absolute(node.output()), 0))
    } else if node.op::<Add>().is_some() || node.op::<Sub>().is_some() {
        Some((absolute(node.output()), 1))
    } else if node.op::<Pad>().is_some() {
        // The constant times the gradient.
        Some((absolute(node.output()), 1))
    } else if node.op::<Mul>().is_some() {
        // The gradient of a repeated element is the sum of its copies' gradients.
        let varying = node.input_ids().enumerate().filter(|(_, id)| path.contains(*id)).map(|(input, _)| input);
        let copies = varying.map(|input| node.output().len() / node.input(input).len().max(1)).max();
        Some((input().mul(&input_of(1)).value().clone(), 2 + copies.unwrap_or(0)))
    } else if let Some(product) = node.op::<MatMul>() {
        let terms = input().apply_to(*product, &[&input_of(1)]);
        let [.., rows, inner] = node.input_shape(0)[..] else { return None };
        let columns = node.shape()[node.shape().len() - 1];
        Some((terms.value().clone(), inner + rows.max(columns) + 1))
    } else if let Some(pool) = node.op::<AvgPool>() {
        let means = input().apply(*pool);
        Some((means.value().clone(), 2 * pool.pool.kernel.iter().product::<usize>() + 2))
    } else if node.op::<GlobalAvgPool>().is_some() {
        let positions = node.input_shape(0)[1] * node.input_shape(0)[2];
        Some((input().apply(GlobalAvgPool).value().clone(), positions + 3))
    } else {
        // y = (x − μ)·a + β, with a = γ·r rounded: 4 roundings; c = β − a·μ: 3 roundings; the backward pass: 2
        // roundings.
        let norm = node.op::<BatchNormEvaluation<T>>()?;
        let [factor, shift] = norm.affine(node.input(1), node.input(2));
        let (a, c, beta) = (factor.as_slice(), shift.as_slice(), node.input(2).as_slice());
        let terms = Tensor::from_fn(node.shape(), |i| {
            let (x, k) = (node.input(0).as_slice()[i], i % a.len());
            (x * a[k]).abs() + (c[k] - beta[k]).abs() + beta[k].abs() + c[k].abs()
        });
        Some((terms, 9))
    }
}

/// A bound on the rounding error of adding up the gradients of several readers of a value f, times f.
pub(super) fn meeting<T: Real>(path: &Path<T>, rule: &dyn Rule<T>, value: &Var<T>, images: usize) -> Vec<f64> {
    meeting_times(path, rule, value, value.value(), images)
}

/// The same, times another factor.
pub(super) fn meeting_times<T: Real>(
    path: &Path<T>,
    rule: &dyn Rule<T>,
    value: &Var<T>,
    factor: &Tensor<T>,
    images: usize,
) -> Vec<f64> {
    let mut readers = Vec::new();
    for reader in &path.values {
        readers.extend(
            reader.node().input_ids().enumerate().filter(|(_, id)| *id == value.id()).map(|(i, _)| (reader, i)),
        );
    }
    let mut sums = vec![0.0; images];
    if readers.len() > 1 {
        for (reader, input) in &readers {
            let gradient = passed_on_under(rule, reader, *input, &path.gradient(reader));
            let sizes = by_image(&gradient.zip(factor, |g, f| (g * f).abs()), images);
            sums.iter_mut().zip(sizes).for_each(|(sum, size)| *sum += gamma::<T>(readers.len() - 1) * size);
        }
    }
    sums
}

/// The largest number of output elements that are copies of one input element: the operation's transpose, applied to ones.
pub(super) fn most_copies<T: Real>(value: &Var<T>) -> usize {
    let ones = Tensor::full(value.shape(), T::one());
    let copies = (0..value.node().input_count()).map(|input| passed_on(value, input, &ones));
    copies.flat_map(|counts| counts.as_slice().iter().map(|count| count.as_f64() as usize).max()).max().unwrap_or(0)
}

fn absolute<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    x.clone().map(T::abs)
}

/// A bound on the difference between R and the total relevance: that of a layer's inputs, and what its outputs keep
/// under `rule`.
pub(super) fn products<T: Real>(
    layer: &Products<T>,
    rule: &dyn LrpRule<T>,
    upstream: &Tensor<T>,
    images: usize,
) -> Vec<f64> {
    let [forward, backward] = layer.terms();
    // The kept relevance takes a few products and quotients for each output.
    let mut gaps: Vec<f64> = by_image(&absolute(&rule.kept(layer, upstream)), images);
    gaps.iter_mut().for_each(|kept| *kept *= gamma::<T>(8));
    for part in rule.parts(layer, upstream) {
        let (x, w, s) = (absolute(&layer.read(&part.inputs)), absolute(&part.weight), absolute(&part.shares));
        let mut terms = layer.forward(&x, &w);
        if let (Inputs::All, Some(offset)) = (&part.inputs, layer.offset()) {
            for pixel in terms.make_mut().chunks_exact_mut(offset.len()) {
                pixel.iter_mut().zip(offset.as_slice()).for_each(|(sum, &b)| *sum += b);
            }
        }
        // The forward and backward sums, the quotient, the product with x, the sum of the parts, and the steps of batch
        // norm.
        let sums = by_image(&terms.zip(&s, |terms, s| terms * s), images);
        let beyond = winograd(layer, [&x, &w, &s], images);
        for (gap, (sum, beyond)) in gaps.iter_mut().zip(sums.into_iter().zip(beyond)) {
            *gap += gamma::<T>(forward + backward + 16) * sum + beyond;
        }
    }
    gaps
}

/// A bound for Winograd's algorithm, whose sums differ from those of the definition. The error of each result is at
/// most 2 (n + 16) ε of the largest product, as the kernels' tests require. `[x, w, s]` are magnitudes.
fn winograd<T: Real>(layer: &Products<T>, [x, w, s]: [&Tensor<T>; 3], images: usize) -> Vec<f64> {
    let chosen = |way| matches!(choose(layer.geometry(), way), Algorithm::Winograd2 | Algorithm::Winograd4);
    let uses = |way| T::NAME == f32::NAME && chosen(way);
    let largest = |values: &[T]| values.iter().fold(0.0_f64, |most, v| most.max(v.as_f64()));
    let of = |values: &Tensor<T>, image: usize| {
        let each = values.len() / images;
        largest(&values.as_slice()[image * each..][..each])
    };
    let off = |n: usize| 2.0 * (n + 16) as f64 * T::epsilon().as_f64() * largest(w.as_slice());
    let ([forward, backward], [sum_x, sum_s]) = (layer.terms(), [x, s].map(|values| by_image(values, images)));
    let of_image = |image: usize| {
        let ahead = if uses(Way::Forward) { off(forward) * of(x, image) * sum_s[image] } else { 0.0 };
        let back = if uses(Way::InputGradient) { off(backward) * of(s, image) * sum_x[image] } else { 0.0 };
        ahead + back
    };
    (0..images).map(of_image).collect()
}

/// The sum over each image's values.
pub(super) fn by_image<T: Real>(values: &Tensor<T>, images: usize) -> Vec<f64> {
    let each = (values.len() / images).max(1);
    values.as_slice().chunks(each).map(wide_sum).collect()
}

/// The sum, in double precision.
fn wide_sum<T: Real>(values: &[T]) -> f64 {
    tensor::pairwise_sum(&values.iter().map(|v| v.as_f64()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wave;
    use nn::Pool2d;
    use nn::layers::{Apply, ChannelMax, Flatten, MaxPool};
    use tensor::ops::concat;

    #[test]
    fn copies_of_an_element_are_counted() {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(wave([1, 5, 5, 2], 0.0));
        let overlapping = Pool2d { kernel: [3, 3], stride: [1, 1], padding: Default::default() };
        // The largest element is the maximum of all nine windows.
        let peak = tape.leaf(Tensor::from_fn([1, 5, 5, 1], |i| if i == 12 { 1.0 } else { 0.0 }));
        assert_eq!(most_copies(&x.select(1, &[4, 0, 4, 4])), 3);
        assert_eq!(most_copies(&peak.apply(MaxPool(overlapping))), 9);
        assert_eq!(
            [x.apply(Flatten), x.apply(ChannelMax), concat(&[&x, &peak], 3)].map(|y| most_copies(&y)),
            [1, 1, 1]
        );
    }
}
