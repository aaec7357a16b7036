//! Layers applied to values on a tape.

use tensor::Var;

use super::layer::Layer;
use super::parameter::Parameter;
use super::run::{Mode, Run, Share};
use crate::real::Real;

/// Layers applied to values on a tape, as a model applies them in evaluation.
///
/// ```
/// use nn::layers::{Apply, Conv2d, GlobalAvgPool, Relu};
/// use tensor::{Exact, Tape, Tensor};
/// let tape = Tape::<f64>::new();
/// let x = tape.leaf(Tensor::from_fn([1, 5, 5, 2], |i| (i as f64).sin()));            // [N, H, W, Cin]
/// let w = tape.leaf(Tensor::from_fn([3, 3, 2, 4], |i| (i as f64).cos()));            // [Kh, Kw, Cin, Cout]
/// let features = x.apply_with(Conv2d::new(4, 3).without_bias(), &[&w]).apply(Relu);  // [1, 5, 5, 4]
/// let pooled = features.apply(GlobalAvgPool);                                        // [1, 4]
/// let gradients = tape.backward(&pooled, &Exact, [&w])?;
/// assert_eq!(gradients[&w].shape(), w.shape());
/// # Ok::<(), tensor::BackwardError>(())
/// ```
pub trait Apply<T: Real> {
    /// The output of a layer without parameters for this input, `[N, …]`.
    ///
    /// # Panics
    /// If the layer doesn't fit the input or has parameters.
    #[must_use]
    fn apply(&self, layer: impl Into<Layer>) -> Var<T>;

    /// The output of a layer for this input, `[N, …]`, with its parameters and running statistics in the order of
    /// [`Layer::parameters`].
    ///
    /// # Panics
    /// If the layer doesn't fit the input, or the parameters aren't those of the layer.
    #[must_use]
    fn apply_with(&self, layer: impl Into<Layer>, parameters: &[&Var<T>]) -> Var<T>;

    /// The output of a layer without parameters for several inputs. This is the first.
    ///
    /// # Panics
    /// If the layer doesn't fit the inputs or has parameters.
    #[must_use]
    fn apply_to(&self, layer: impl Into<Layer>, others: &[&Var<T>]) -> Var<T>;
}

impl<T: Real> Apply<T> for Var<T> {
    fn apply(&self, layer: impl Into<Layer>) -> Self {
        self.apply_with(layer, &[])
    }

    fn apply_with(&self, layer: impl Into<Layer>, parameters: &[&Self]) -> Self {
        recorded(&layer.into(), vec![self.clone()], parameters)
    }

    fn apply_to(&self, layer: impl Into<Layer>, others: &[&Self]) -> Self {
        recorded(&layer.into(), std::iter::once(self).chain(others.iter().copied()).cloned().collect(), &[])
    }
}

fn recorded<T: Real>(layer: &Layer, inputs: Vec<Var<T>>, parameters: &[&Var<T>]) -> Var<T> {
    let of_one = |x: &Var<T>| x.shape().split_first().expect("an input [N, …], found a scalar").1.to_vec();
    let images: Vec<Vec<usize>> = inputs.iter().map(of_one).collect();
    if let Err(error) = layer.output_shape(&images.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
        panic!("{layer}: {error}");
    }
    let specs = layer.parameters(&images[0]);
    let shapes = |found: &[&Var<T>]| found.iter().map(|var| var.shape().to_vec()).collect::<Vec<_>>();
    let expected: Vec<_> = specs.iter().map(|spec| spec.shape.clone()).collect();
    assert_eq!(shapes(parameters), expected, "{layer}: parameters of other shapes");
    let variables: Vec<_> =
        specs.iter().zip(parameters).map(|(spec, &var)| spec.trainable.then(|| var.clone())).collect();
    let stored = specs.iter().zip(parameters).map(|(spec, var)| Parameter {
        name: spec.name.into(),
        trainable: spec.trainable,
        value: var.value().clone(),
    });
    let run = Run {
        inputs,
        parameters: &variables,
        stored: &stored.collect::<Vec<_>>(),
        mode: Mode::Evaluation,
        share: Share::Apart,
        layer: 0,
        statistics: &mut Vec::new(),
    };
    T::record(layer, run)
}
