//! The full gradient: the contributions of the image and of every bias.

use nn::Real;
use nn::layers::BatchNormEvaluation;
use tensor::ops::{Add, AddScalar, Concat, Pad, concat};
use tensor::{Exact, Nature, Node, Rule, Tape, Tensor, Var};

use crate::error::ExplainError;
use crate::pass::Pass;
use crate::path::{Path, nature_in};
use crate::rules::{Operation, Refusal};
use crate::target::Target;

/// The full-gradient decomposition of a score: the contributions of the image, and of each bias at each position.
#[derive(Clone, Debug, PartialEq)]
pub struct FullGradient<T: Real = f32> {
    /// x ⊙ ∂S/∂x, `[N, H, W, C]`.
    pub input: Tensor<T>,
    /// The bias contributions of each layer that has a bias term, from the image to the score.
    pub biases: Vec<BiasGradient<T>>,
}

/// The contributions of a layer's biases.
#[derive(Clone, Debug, PartialEq)]
pub struct BiasGradient<T: Real = f32> {
    /// The layer.
    pub layer: String,
    /// b ⊙ ∂S/∂y at every position of its output y, `[N, h, w, C]` or `[N, C]`.
    pub values: Tensor<T>,
}

impl<T: Real> FullGradient<T> {
    /// The sum of all contributions for each image: the score, if the target is a sum of scores.
    #[must_use]
    pub fn totals(&self) -> Vec<f64> {
        let images = self.input.shape()[0];
        let sum = |image: usize, values: &Tensor<T>| {
            let each = values.len() / images;
            let terms = values.as_slice()[image * each..][..each].iter().map(|v| v.as_f64());
            tensor::pairwise_sum(&terms.collect::<Vec<_>>())
        };
        let total = |image| sum(image, &self.input) + self.biases.iter().map(|b| sum(image, &b.values)).sum::<f64>();
        (0..images).map(total).collect()
    }
}

/// The contribution b ⊙ ∂S/∂y of an operation's bias term b; `None` if it has none.
///
/// The bias term of a convolution (transposed or not) or a fully connected layer is its bias, that of a sum or a
/// concatenation the terms that don't depend on the image. Batch norm in evaluation, y = a·x + c, has the bias term c, padding its constant,
/// and ReLU6 its bound at saturated values; ReLU has none. A smooth activation y = f(x) has the bias term f(x) −
/// f′(x)·x, so the contributions add up for any f.
///
/// # Errors
/// [`Refusal::UnknownBias`] if the operation's bias term is unknown.
pub(crate) fn bias_gradient<T: Real>(path: &Path<T>, value: &Var<T>) -> Result<Option<Tensor<T>>, Refusal> {
    let (node, gradient) = (value.node(), path.gradient(value));
    let refused = || Refusal::UnknownBias(Operation::of(node));
    Ok(match nature_in(node, |id| path.contains(id)) {
        Nature::Moves | Nature::Linear => match node.input_ids().position(|id| !path.contains(id)) {
            None => None,
            Some(input) if node.op::<Add>().is_some() => {
                Some(Tensor::from(&gradient.view() * &node.input(input).view()))
            }
            Some(_) => Some(gradient.zip(&joined(path, node).ok_or_else(refused)?, |g, b| g * b)),
        },
        nature if nature.is_homogeneous() => None,
        Nature::Affine { bias: Some(input) } => {
            (input < node.input_count()).then(|| by_channel(node.input(input), &gradient))
        }
        Nature::Affine { bias: None } => Some(shift(node, gradient).ok_or_else(refused)?),
        Nature::Rectifier { min, max } => {
            let (min, max) = (T::from_f64(min), T::from_f64(max));
            let bound = |x: T| {
                if x <= min {
                    min
                } else if x >= max {
                    max
                } else {
                    T::zero()
                }
            };
            Some(node.input(0).clone().zip(&gradient, |x, g| bound(x) * g))
        }
        Nature::Smooth => {
            let passed = passed_on(value, 0, &gradient).zip(node.input(0), |g, x| g * x);
            Some(gradient.zip(node.output(), |g, y| g * y).zip(&passed, |whole, linear| whole - linear))
        }
        _ => return Err(refused()),
    })
}

/// The values of a concatenation that don't depend on the image, such as a class token; zeros elsewhere.
fn joined<T: Real>(path: &Path<T>, node: &Node<T>) -> Option<Tensor<T>> {
    let &Concat { axis } = node.op()?;
    let tape = Tape::new();
    let part = |(input, id)| {
        tape.leaf(if path.contains(id) { Tensor::zeros(node.input_shape(input)) } else { node.input(input).clone() })
    };
    let parts: Vec<_> = node.input_ids().enumerate().map(part).collect();
    Some(concat(&parts.iter().collect::<Vec<_>>(), axis).value().clone())
}

/// b ⊙ ∂S/∂y of an affine operation y = A·x + b whose b isn't an input.
fn shift<T: Real>(node: &Node<T>, gradient: Tensor<T>) -> Option<Tensor<T>> {
    if let Some(AddScalar { addend }) = node.op() {
        return Some(gradient.map(|g| g * T::from_f64(*addend)));
    }
    if let Some(Pad { widths }) = node.op() {
        let inside = Tape::new().leaf(node.input(0).clone()).pad(widths, T::zero());
        let around = node.output().clone().zip(inside.value(), |y, x| y - x);
        return Some(gradient.zip(&around, |g, b| g * b));
    }
    let [_, shift] = node.op::<BatchNormEvaluation<T>>()?.affine(node.input(1), node.input(2));
    Some(by_channel(&shift, &gradient))
}

/// b ⊙ ∂S/∂y, for b `[C]` and ∂S/∂y `[…, C]`.
fn by_channel<T: Real>(bias: &Tensor<T>, gradient: &Tensor<T>) -> Tensor<T> {
    Tensor::from_fn(gradient.shape(), |i| bias.as_slice()[i % bias.len()] * gradient.as_slice()[i])
}

/// The gradient of one of an operation's inputs, given ∂S/∂y = `gradient`.
pub(crate) fn passed_on<T: Real>(value: &Var<T>, input: usize, gradient: &Tensor<T>) -> Tensor<T> {
    passed_on_under(&Exact, value, input, gradient)
}

/// The same under a rule that has passed this operation before.
pub(crate) fn passed_on_under<T: Real>(
    rule: &dyn Rule<T>,
    value: &Var<T>,
    input: usize,
    gradient: &Tensor<T>,
) -> Tensor<T> {
    let id = value.node().input_ids().nth(input).expect("an input of this node");
    let input = value.tape().var(id).expect("an explaining tape keeps every value");
    let mut gradients =
        value.tape().backward_from(value, gradient.clone(), rule, [&input]).expect("the rule refuses nothing here");
    gradients.take(&input).expect("requested")
}

impl<T: Real> Path<T> {
    fn full_gradient(&self) -> Result<FullGradient<T>, ExplainError> {
        let (image, rest) = self.values.split_first().expect("the image lies on the path");
        let input = image.value().clone().zip(&self.gradient(image), |x, g| x * g);
        let mut biases = Vec::new();
        for value in rest {
            let added = bias_gradient(self, value)?;
            let layer = value.node().label().unwrap_or_else(|| value.node().any_op().name()).to_string();
            biases.extend(added.map(|values| BiasGradient { layer, values }));
        }
        Ok(FullGradient { input, biases })
    }
}

impl<T: Real> Pass<'_, T> {
    /// The full-gradient decomposition of the score (Srinivas and Fleuret, *Full-Gradient Representation for Neural
    /// Network Visualization*, 2019): x ⊙ ∂S/∂x and, for every bias, b · ∂S/∂b at each position. This includes the
    /// implicit biases of batch norm and of saturated activations. All contributions add up to the score
    /// ([`FullGradient::totals`]).
    ///
    /// # Errors
    /// If the bias term of an operation of the model is unknown, or the target doesn't fit.
    pub fn full_gradient(&self, target: impl Into<Target<T>>) -> Result<FullGradient<T>, ExplainError> {
        self.path(&self.seed(&target.into())?)?.full_gradient()
    }
}
