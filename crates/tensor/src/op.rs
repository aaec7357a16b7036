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

    /// What kind of function it is; by default one that the chain rule alone can read.
    fn nature(&self) -> Nature {
        Nature::Other
    }
}

/// What kind of function an operation is.
///
/// Everything that reads a tape by another rule than the chain rule asks for this: rules about ReLUs, relevance
/// propagation, the biases of a full gradient, bounds on rounding errors. Each refuses the natures that it has no formula
/// for, and [`Other`](Self::Other) always.
///
/// Unless it mentions several inputs, a nature describes y = f(x) as a function of the first input, x, while the others (a
/// kernel, slopes) are constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nature {
    /// Each element of y is an element of an input, and which one doesn't depend on their values: a reshape, a slice, a
    /// concatenation. Nothing is rounded.
    Moves,
    /// Each element of y is an element of x, chosen by their values, f(c·x) = c·f(x) for c > 0: a maximum. Nothing is
    /// rounded.
    Chooses,
    /// f(a·x + b·x′) = a·f(x) + b·f(x′), in all inputs together: a sum, a mean, a resize.
    Linear,
    /// Linear in each input while the others are constant: a product.
    Multilinear,
    /// y = A·x + b, where A and b don't depend on x: a convolution, a batch norm in evaluation.
    Affine {
        /// The index of the input that is b, with an element for each index of the last axis; the operation may have been
        /// recorded without it. `None` if b isn't an input.
        bias: Option<usize>,
    },
    /// y = min(max(x, `min`), `max`), element by element: a ReLU, with bounds 0 and ∞, or a clip. Rules about ReLUs replace
    /// its vector–Jacobian product.
    Rectifier {
        /// The lower bound.
        min: f64,
        /// The upper bound.
        max: f64,
    },
    /// y = a·x where x > 0 and y = b·x elsewhere, element by element, with slopes a and b that don't depend on x: a leaky
    /// ReLU, an absolute value. Rules about ReLUs refuse it.
    Bends,
    /// A curved function of each element, differentiable except perhaps at single points: a sigmoid. Rules about ReLUs
    /// refuse it.
    Smooth,
    /// Anything else: a softmax, a normalization by the input's own statistics, several steps in one.
    Other,
}

impl Nature {
    /// Whether f(c·x) = c·f(x) for every c > 0: whether the whole output scales with the input.
    #[must_use]
    pub fn is_homogeneous(self) -> bool {
        match self {
            Self::Moves | Self::Chooses | Self::Linear | Self::Multilinear | Self::Bends => true,
            Self::Rectifier { min, max } => [min, max].iter().all(|&bound| bound == 0.0 || bound.is_infinite()),
            Self::Affine { .. } | Self::Smooth | Self::Other => false,
        }
    }
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

    /// The gradients in the order of the inputs.
    #[must_use]
    pub fn into_vec(self) -> Vec<Option<Tensor<T>>> {
        self.0
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
}
