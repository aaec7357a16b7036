//! The functions to fill in.
#![allow(unused_variables, reason = "until they are filled in")]

use ndarray::{Array2, ArrayView2, ArrayView3};

/// Chapter 1. The vector–Jacobian product: `x̄ᵀ = ȳᵀ J`, for a Jacobian given by its rows, `[m][n]`, and `ȳ`, `[m]`.
pub fn pull_back(jacobian: &[Vec<f64>], upstream: &[f64]) -> Vec<f64> {
    todo!("the sum over the rows of each column, weighted by ȳ")
}

/// Chapter 2. The gradients of the last entry of a tape with respect to all entries. An entry has, for each of its inputs, the
/// input's index and the derivative with respect to it. An input may occur several times.
pub fn backward(tape: &[Vec<(usize, f64)>]) -> Vec<f64> {
    todo!("from the last entry to the first")
}

/// Chapter 3. The gradients of a fully connected layer `Y = X W + b` with respect to `X`, `W` and `b`.
pub fn fully_connected(
    x: ArrayView2<f64>,
    w: ArrayView2<f64>,
    upstream: ArrayView2<f64>,
) -> (Array2<f64>, Array2<f64>, Vec<f64>) {
    todo!("two products and a sum")
}

/// Chapter 4. The gradient of the input, `[n]`, of a convolution in one dimension with the taps `w`.
pub fn convolution(w: &[f64], upstream: &[f64], n: usize, stride: usize, padding: usize) -> Vec<f64> {
    todo!("what each input meets")
}

/// Chapter 5. The gradient of the input of a maximum over windows in one dimension, which may overlap. The first of several
/// equal maxima gets it.
pub fn maximum(x: &[f64], window: usize, stride: usize, upstream: &[f64]) -> Vec<f64> {
    todo!("each window has a winner")
}

/// Chapter 6. The gradient of the values of one channel through batch norm in training.
pub fn batch_norm(x: &[f64], gamma: f64, epsilon: f64, upstream: &[f64]) -> Vec<f64> {
    todo!("the upstream gradient, less its mean and its part along x̂")
}

/// Chapter 7. The gradient of the cross-entropy with respect to the scores, where `truth` is the true class.
pub fn probability_minus_target(scores: &[f64], truth: usize) -> Vec<f64> {
    todo!("scores may be large")
}

/// Chapter 8. What the guided reading of a ReLU with the input `x` passes on of the gradient `g`.
pub fn guided(x: &[f64], g: &[f64]) -> Vec<f64> {
    todo!("two masks")
}

/// Chapter 9. The signed map of Grad-CAM, of features and gradients `[h, w, C]`.
pub fn grad_cam(features: ArrayView3<f64>, gradients: ArrayView3<f64>) -> Array2<f64> {
    todo!("a weight for each channel")
}

/// Chapter 10. The step between neighbouring cells and the extent of what a cell reads, in pixels along one axis, behind layers
/// of these kernels and strides.
pub fn receptive_field(layers: &[(usize, usize)]) -> (usize, usize) {
    todo!("Δ and r, layer by layer")
}

/// Chapter 11. Integrated gradients by the midpoint rule, for a function given by its gradient.
pub fn integrated(gradient: &dyn Fn(&[f64]) -> Vec<f64>, x: &[f64], baseline: &[f64], steps: usize) -> Vec<f64> {
    todo!("the mean gradient on the way, times the way")
}

/// Chapter 12. The relevance of the inputs under the rule ε, through a fully connected layer with the weights `[n][m]` and the
/// biases `[m]`. The sign of zero is positive.
pub fn epsilon_rule(x: &[f64], w: &[Vec<f64>], b: &[f64], relevance: &[f64], epsilon: f64) -> Vec<f64> {
    todo!("in proportion to x w")
}

/// Chapter 13. The gradient of a function by central differences with the step `h`.
pub fn central_differences(f: &dyn Fn(&[f64]) -> f64, x: &[f64], h: f64) -> Vec<f64> {
    todo!("two values of f for each input")
}

/// Chapter 14. The gradient of the log-sum-exp of a channel with the sharpness `r`, `ln(mean of exp(r f)) / r`.
pub fn smooth_maximum(f: &[f64], r: f64, upstream: f64) -> Vec<f64> {
    todo!("a softmax; r f may be large")
}

/// Chapter 15. The relevance of a unit's inputs under LRP-γ, for a unit without bias whose relevance is given.
pub fn gamma_rule(x: &[f64], w: &[f64], relevance: f64, gamma: f64) -> Vec<f64> {
    todo!("in proportion to x (w + γ [w]₊)")
}

/// Chapter 16. The area under the curve of deletion. The pixels are removed one by one, those with the largest values first, of
/// equal ones the one with the smaller index; `probability` is that of the class without the given pixels.
pub fn deletion(map: &[f64], probability: &dyn Fn(&[usize]) -> f64) -> f64 {
    todo!("one more value than pixels")
}

/// Chapter 17. The sum along the tree: a node of more than one value is cut behind the largest power of two below their number.
pub fn tree_sum(values: &[f32]) -> f32 {
    todo!("left plus right")
}

/// Chapter 18. Attention rollout of the blocks' matrices of attention, from the first block to the last.
pub fn rollout(blocks: &[Array2<f64>]) -> Array2<f64> {
    todo!("half of each, and half of the tokens themselves")
}

/// Chapter 19. The pictures that activate a channel most, by their places in the list, strongest first, at most `most` of them; of equal
/// ones the first. Each picture has its channel's values at all cells, and counts by the largest; one without a positive value
/// activates nothing.
pub fn strongest(pictures: &[Vec<f64>], most: usize) -> Vec<usize> {
    todo!("one value for each picture")
}

/// Chapter 20. The weight after each step of Adam, from 0, for one weight with these gradients; β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
pub fn adam(gradients: &[f64], rate: f64) -> Vec<f64> {
    todo!("two running means, and their corrections")
}

/// Chapter 21. Spearman's rank correlation of two maps; equal values share the mean of their ranks. `None` if one of the maps has
/// the same value everywhere.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    todo!("the correlation of the ranks")
}
