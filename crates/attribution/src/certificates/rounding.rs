//! How much rounding can make of what theory says is nothing.
//!
//! Let y = fl(A x + b) be what an operation computed, and g_x = fl(Aᵀ g_y) what it handed back. By the definition of the
//! transpose, ⟨y, g_y⟩ = ⟨x, g_x⟩ + ⟨b, g_y⟩ but for the rounding of y and of g_x. A sum of n products in any order is off by
//! γₙ times the sum of their magnitudes (Higham 2002, §3.1), so the gap is at most
//!
//! ```text
//! (γ_forward + γ_backward) · Σⱼ Aⱼ |gⱼ|,     Aⱼ = Σᵢ |aᵢⱼ xᵢ| + |bⱼ|
//! ```
//!
//! and since what one operation hands back is what the next one is given, the gaps of all operations add up to the gap
//! between the score and what arrived. Nothing in this grows with depth but the number of operations.

use nn::Real;
use nn::kernels::conv::{Algorithm, Pass as Way, choose};
use nn::ops::{
    AvgPool, BatchNormEvaluation, ChannelMax, Clip, GlobalAvgPool, LeakyRelu, MaxPool, PRelu, Relu, avg_pool,
    global_avg_pool,
};
use tensor::ops::{Abs, Add, Concat, Neg, Permute, Pick, Reshape, Select, Slice, Sub};
use tensor::{Element, Tape, Tensor, Var};

use super::residual::gamma;
use crate::methods::{is_smooth, passed_on};
use crate::rules::{Epsilon, Inputs, LrpRule, Products};

/// The most that ⟨y, g⟩ − ⟨x, g_x⟩ − ⟨b, g⟩ can be of one operation, for each image.
///
/// # Errors
/// Names the operation if its roundings aren't counted.
pub(super) fn gap<T: Real>(value: &Var<T>, gradient: &Tensor<T>, images: usize) -> Result<Vec<f64>, String> {
    let node = value.node();
    if let Some(layer) = Products::of(node, None) {
        let upstream = gradient.reshape(layer.output().shape());
        return Ok(products(&layer, &Epsilon(0.0), &upstream, images));
    }
    if is_smooth(value) {
        // b = y·g − x·g_x: two products and a difference.
        let passed = passed_on(value, 0, gradient).zip(node.input(0), |g, x| g * x);
        let sizes = gradient.clone().zip(node.output(), |g, y| g * y).zip(&passed, |a, b| a.abs() + b.abs());
        return Ok(by_image(&sizes, images).into_iter().map(|sum| gamma::<T>(2) * sum).collect());
    }
    let absolute = |x: &Tensor<T>| x.clone().map(T::abs);
    let weighted = |terms: &Tensor<T>, roundings: usize| {
        let sums = by_image(&terms.clone().zip(gradient, |m, g| m * g.abs()), images);
        sums.into_iter().map(|sum| gamma::<T>(roundings) * sum).collect()
    };
    Ok(if let Some(norm) = node.op::<BatchNormEvaluation<T>>() {
        // y = (x − μ)·a + β, with a = γ·r rounded: 4 roundings; c = β − a·μ: 3; back: 2.
        let [factor, shift] = norm.affine(node.input(1), node.input(2));
        let (a, c, beta) = (factor.as_slice(), shift.as_slice(), node.input(2).as_slice());
        let terms = Tensor::from_fn(node.shape(), |i| {
            let (x, k) = (node.input(0).as_slice()[i], i % a.len());
            (x * a[k]).abs() + (c[k] - beta[k]).abs() + beta[k].abs() + c[k].abs()
        });
        weighted(&terms, 9)
    } else if node.op::<Add>().is_some() || node.op::<Sub>().is_some() || node.op::<Clip>().is_some() {
        // A sum; of a clip, its bound times the gradient.
        weighted(&absolute(node.output()), 1)
    } else if node.op::<LeakyRelu>().is_some() || node.op::<PRelu>().is_some() {
        weighted(&absolute(node.output()), 2)
    } else if let Some(pool) = node.op::<MaxPool>() {
        // On the way back, the gradients of the windows that a value won are added up.
        let windows = pool.pool.kernel.iter().zip(pool.pool.stride).map(|(k, s)| k.div_ceil(s)).product::<usize>();
        weighted(&absolute(node.output()), windows - 1)
    } else if let Some(pool) = node.op::<AvgPool>() {
        let terms = avg_pool(&Tape::new().leaf(absolute(node.input(0))), pool.pool, pool.count_padding);
        weighted(terms.value(), 2 * pool.pool.kernel.iter().product::<usize>() + 2)
    } else if node.op::<GlobalAvgPool>().is_some() {
        let positions = node.input_shape(0)[1] * node.input_shape(0)[2];
        let terms = global_avg_pool(&Tape::new().leaf(absolute(node.input(0))));
        weighted(terms.value(), positions + 3)
    } else if is_exact(value) {
        vec![0.0; images]
    } else {
        let name = node.label().map(|label| format!(" of layer `{label}`")).unwrap_or_default();
        return Err(format!("nobody has counted the roundings of the {}{name}", node.any_op().name()));
    })
}

/// Operations that choose and move numbers, and round none.
fn is_exact<T: Real>(value: &Var<T>) -> bool {
    let node = value.node();
    macro_rules! is {
        ($($op:ty),+) => { $(node.op::<$op>().is_some())||+ };
    }
    is!(Abs, ChannelMax, Concat, Neg, Permute, Pick, Relu, Reshape, Select, Slice)
}

/// The gap of a layer of products that `rule` reads: between R and what is handed on and kept.
pub(super) fn products<T: Real>(
    layer: &Products<T>,
    rule: &dyn LrpRule<T>,
    upstream: &Tensor<T>,
    images: usize,
) -> Vec<f64> {
    let [forward, backward] = layer.terms();
    let absolute = |x: &Tensor<T>| x.clone().map(T::abs);
    // What is kept is a few products and quotients of each output.
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
        // The sums forward and back; the quotient, the product with x, the sum of the parts, and batch norm's own steps.
        let sums = by_image(&terms.zip(&s, |terms, s| terms * s), images);
        let beyond = winograd(layer, [&x, &w, &s], images);
        for (gap, (sum, beyond)) in gaps.iter_mut().zip(sums.into_iter().zip(beyond)) {
            *gap += gamma::<T>(forward + backward + 16) * sum + beyond;
        }
    }
    gaps
}

/// Winograd's sums are not those of the definition: each of its results is off by 2 (n + 16) ε of the largest product, which
/// is what the kernels' own tests hold it to. `[x, w, s]` are magnitudes.
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
