//! What a layer owns: parameters, how they start, and how PyTorch lays them out.

use rand::Rng;
use rand_distr::{Distribution, Normal, Uniform};
use tensor::{Shape, Tensor};

use crate::real::Real;

/// A weight, bias or running statistic.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter<T: Real> {
    /// `layer.weight` and the like.
    pub name: String,
    /// Whether it is trained.
    pub trainable: bool,
    /// Its value.
    pub value: Tensor<T>,
}

/// A parameter or a running statistic that a layer owns.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// `"weight"`, `"bias"`, `"running_mean"` or `"running_var"`.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether it is trained; running statistics are not.
    pub trainable: bool,
    /// How it starts.
    pub init: Init,
    /// For each of its axes the axis of PyTorch's tensor; the same order where empty.
    pub(crate) torch_axes: &'static [usize],
    /// The axis that runs over the values of a flattened picture, where the layer reads one.
    pub(crate) input_axis: Option<usize>,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// The same number everywhere.
    Constant(f32),
    /// Normal with deviation √(2 / fan-in), which keeps the variance of activations through ReLUs (He et al. 2015, eq. 10).
    KaimingNormal {
        /// The number of inputs that each output sums over.
        fan_in: usize,
    },
    /// Uniform within ±√(6 / (fan-in + fan-out)) (Glorot & Bengio 2010, eq. 16).
    XavierUniform {
        /// The number of inputs.
        fan_in: usize,
        /// The number of outputs.
        fan_out: usize,
    },
}

impl ParameterSpec {
    /// A trained parameter.
    pub(crate) fn trained(name: &'static str, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        Self { name, shape: shape.into(), trainable: true, init, torch_axes: &[], input_axis: None }
    }

    /// A running statistic.
    pub(crate) fn statistic(name: &'static str, shape: impl Into<Vec<usize>>, start: f32) -> Self {
        Self { trainable: false, ..Self::trained(name, shape, Init::Constant(start)) }
    }

    /// A scale `weight` and a shift `bias` for each of the input's channels, starting from 1 and 0.
    pub(crate) fn scale_and_shift(input: &[usize]) -> Vec<Self> {
        let channels = channels(input);
        [("weight", 1.0), ("bias", 0.0)]
            .map(|(name, start)| Self::trained(name, [channels], Init::Constant(start)).over_input(0))
            .into()
    }

    /// A weight, and a bias that starts from zero, if there is one.
    pub(crate) fn weight_and_bias(weight: Self, bias: Option<usize>) -> Vec<Self> {
        let bias = bias.map(|outputs| Self::trained("bias", [outputs], Init::Constant(0.0)));
        [Some(weight), bias].into_iter().flatten().collect()
    }

    /// With PyTorch's order of the axes.
    pub(crate) fn torch_axes(self, torch_axes: &'static [usize]) -> Self {
        Self { torch_axes, ..self }
    }

    /// With the axis that runs over the input's values.
    pub(crate) fn over_input(self, axis: usize) -> Self {
        Self { input_axis: Some(axis), ..self }
    }
}

/// The last extent.
pub(crate) fn channels(input: &[usize]) -> usize {
    input.last().copied().unwrap_or(0)
}

impl Init {
    /// The starting value of a parameter of this shape.
    #[must_use]
    pub fn draw(self, shape: impl Into<Shape>, rng: &mut impl Rng) -> Tensor<f32> {
        match self {
            Self::Constant(value) => Tensor::full(shape, value),
            Self::KaimingNormal { fan_in } => {
                let deviation = (2.0 / fan_in.max(1) as f32).sqrt();
                let normal = Normal::new(0.0, deviation).expect("a deviation that is finite");
                Tensor::from_fn(shape, |_| normal.sample(rng))
            }
            Self::XavierUniform { fan_in, fan_out } => {
                let bound = (6.0 / (fan_in + fan_out).max(1) as f32).sqrt();
                let uniform = Uniform::new(-bound, bound).expect("bounds that are finite");
                Tensor::from_fn(shape, |_| uniform.sample(rng))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn distributions_have_the_deviation_they_promise() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let deviation =
            |t: &Tensor<f32>| (t.as_slice().iter().map(|x| f64::from(x * x)).sum::<f64>() / t.len() as f64).sqrt();
        let kaiming = Init::KaimingNormal { fan_in: 50 }.draw([200, 200], &mut rng);
        assert!((deviation(&kaiming) / 0.2 - 1.0).abs() < 0.02);
        let xavier = Init::XavierUniform { fan_in: 90, fan_out: 60 }.draw([200, 200], &mut rng);
        assert!((deviation(&xavier) / (0.2 / 3.0_f64.sqrt()) - 1.0).abs() < 0.02);
        assert!(xavier.as_slice().iter().all(|x| x.abs() <= 0.2));
    }
}
