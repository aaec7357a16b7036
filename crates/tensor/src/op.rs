//! Operations: a name, and how gradients pass backward through them.

use std::any::Any;
use std::fmt::Debug;

use crate::element::Element;
use crate::node::Node;
use crate::tensor::Tensor;

/// An operation that a tape can record: a value with the settings of the operation and what its backward pass needs beside the
/// inputs and the output.
///
/// The forward pass is ordinary code that computes a [`Tensor`] and passes it to [`Tape::record`](crate::Tape::record)
/// together with the operation.
///
/// ```
/// use tensor::{Element, Grads, Needs, Node, Op, Tensor, Var, Wanted, gradcheck};
///
/// /// x² where x > 0, and 0 elsewhere.
/// #[derive(Debug)]
/// struct SquaredRelu;
///
/// impl<T: Element> Op<T> for SquaredRelu {
///     fn name(&self) -> &'static str {
///         "squared relu"
///     }
///
///     // ∂y/∂x = 2·max(x, 0)
///     fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
///         let slope = node.input(0).clone().map(|x| T::from_f64(2.0) * x.max(T::zero()));
///         Grads::one(upstream.zip(&slope, |g, slope| g * slope))
///     }
///
///     fn needs(&self) -> Needs {
///         Needs::NONE.input(0)
///     }
/// }
///
/// fn squared_relu<T: Element>(x: &Var<T>) -> Var<T> {
///     let y = x.value().clone().map(|x| x.max(T::zero()) * x.max(T::zero()));
///     x.tape().record(SquaredRelu, &[x], y)
/// }
///
/// let x = Tensor::new([4], vec![-1.5, -0.2, 0.3, 2.0]);
/// let checked = gradcheck(&[x], |vars| squared_relu(&vars[0]));
/// assert_eq!(checked.within(1e-6)?.checked, 4);
/// # Ok::<(), tensor::GradcheckError>(())
/// ```
pub trait Op<T: Element>: Any + Debug + Send + Sync {
    /// A short name, such as `"conv2d"`.
    fn name(&self) -> &'static str;

    /// The vector–Jacobian products `(∂y/∂xᵢ)ᵀ · upstream` for the wanted inputs.
    ///
    /// `upstream` has the shape of the output, each gradient the shape of its input.
    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T>;

    /// The values that [`vjp`](Op::vjp) reads: all by default. A tape for training keeps no others.
    fn needs(&self) -> Needs {
        Needs::ALL
    }

    /// How the output depends on the inputs.
    fn linearity(&self) -> Linearity {
        Linearity::Nonlinear
    }
}

/// How an operation's output depends on each of its inputs while the others are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearity {
    /// y = Ax + b, as in a convolution, or a product of two inputs.
    Affine,
    /// Affine on each of finitely many regions, as in ReLU or max pooling.
    PiecewiseLinear,
    /// Anything else.
    Nonlinear,
}

/// The inputs whose gradients are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a>(&'a [bool]);

impl<'a> Wanted<'a> {
    /// A flag for each input.
    #[must_use]
    pub fn new(flags: &'a [bool]) -> Self {
        Self(flags)
    }

    /// Whether the gradient for `input` is wanted.
    ///
    /// # Panics
    /// If the operation has no such input.
    #[must_use]
    pub fn has(self, input: usize) -> bool {
        self.0[input]
    }

    /// The gradient for `input`, which is computed only if it is wanted.
    ///
    /// # Panics
    /// If the operation has no such input.
    #[must_use]
    pub fn then<T: Element>(self, input: usize, gradient: impl FnOnce() -> Tensor<T>) -> Option<Tensor<T>> {
        self.has(input).then(gradient)
    }
}

/// The gradients for the inputs of an operation; `None` for those that aren't wanted.
#[derive(Debug)]
pub struct Grads<T: Element>(pub(crate) Vec<Option<Tensor<T>>>);

impl<T: Element> Grads<T> {
    /// The gradient for the only input of an operation.
    #[must_use]
    pub fn one(gradient: Tensor<T>) -> Self {
        Self(vec![Some(gradient)])
    }

    /// The gradients in the order of the inputs.
    #[must_use]
    pub fn new(gradients: impl Into<Vec<Option<Tensor<T>>>>) -> Self {
        Self(gradients.into())
    }
}

/// The values that a vector–Jacobian product reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    inputs: u32,
    output: bool,
}

impl Needs {
    /// All inputs and the output.
    pub const ALL: Self = Self { inputs: u32::MAX, output: true };
    /// Neither inputs nor output.
    pub const NONE: Self = Self { inputs: 0, output: false };
    /// The output.
    pub const OUTPUT: Self = Self { inputs: 0, output: true };
    /// All inputs, not the output.
    pub const INPUTS: Self = Self { inputs: u32::MAX, output: false };

    /// With this input, which must be one of the first 32.
    #[must_use]
    pub const fn input(self, index: usize) -> Self {
        Self { inputs: self.inputs | 1 << index, ..self }
    }

    pub(crate) fn has_input(self, index: usize) -> bool {
        index >= 32 && self.inputs == u32::MAX || index < 32 && self.inputs >> index & 1 == 1
    }

    pub(crate) fn has_output(self) -> bool {
        self.output
    }
}

/// A value that no operation on the tape computes: an image, a weight.
#[derive(Debug)]
pub(crate) struct Leaf;

impl<T: Element> Op<T> for Leaf {
    fn name(&self) -> &'static str {
        "leaf"
    }

    fn vjp(&self, _: &Node<T>, _: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::new([])
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}
