//! How relevance passes through operations that have no weights to choose a rule for.

use nn::Real;
use nn::layers::{Gelu, GroupNormalization, HardSwish, LayerNormalization, Silu, Softmax};
use tensor::ops::Tanh;
use tensor::{Grads, Nature, Node, NodeId, Tensor, Wanted};

use crate::path::nature_in;

/// How relevance passes through an operation that isn't a layer of products. All but the first and that of gates are the rules of AttnLRP
/// (Achtibat, Hatefi, Dreyer, Jain, Wiegand, Lapuschkin and Samek, *AttnLRP: Attention-Aware Layer-Wise Relevance Propagation
/// for Transformers*, 2024) or agree with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// By the chain rule; terms that don't depend on the image keep their share.
    ChainRule,
    /// An activation that is zero at zero passes on all of its relevance.
    Activation,
    /// A product of two values of the image: each gets half of the relevance (Proposition 3.3).
    Product,
    /// A product of a value and a gate: the value, which is the input with this index, gets all of the relevance (Arras et al. 2019).
    Gated {
        /// The index of the value.
        signal: usize,
    },
    /// A softmax, by the chain rule: Rᵢ = xᵢ·(Rₛᵢ − sᵢ Σⱼ Rₛⱼ) (Proposition 3.1). The tangent's value at zero is kept.
    Softmax,
    /// A layer norm or a group norm, whose deviation counts as constant. The shift β is kept.
    Normalization,
}

impl Reading {
    /// The reading of an operation some of whose inputs vary with the image; `None` if there is none.
    pub(crate) fn of<T: Real>(
        node: &Node<T>,
        varies: impl Fn(NodeId) -> bool,
        is_gate: impl Fn(NodeId) -> bool,
    ) -> Option<Self> {
        let varying: Vec<usize> = (0..).zip(node.input_ids()).filter(|(_, id)| varies(*id)).map(|(i, _)| i).collect();
        if node.op::<Softmax>().is_some() {
            return Some(Self::Softmax);
        }
        let is_norm = node.op::<LayerNormalization<T>>().is_some() || node.op::<GroupNormalization<T>>().is_some();
        if is_norm && varying == [0] {
            return Some(Self::Normalization);
        }
        if node.any_op().nature() == Nature::Multilinear && varying.len() > 1 {
            let signals: Vec<usize> =
                (0..).zip(node.input_ids()).filter(|(_, id)| !is_gate(*id)).map(|(i, _)| i).collect();
            return match signals[..] {
                [signal] => Some(Self::Gated { signal }),
                [] => None,
                _ => Some(Self::Product),
            };
        }
        if is_gate(node.id()) {
            // No relevance arrives there.
            return Some(Self::ChainRule);
        }
        let is_activation = activation(node).is_some();
        match nature_in(node, varies) {
            Nature::Rectifier { min, max } if min > 0.0 || max < 0.0 => None,
            Nature::Rectifier { .. } | Nature::Smooth if is_activation => Some(Self::Activation),
            Nature::Affine { bias: Some(_) } | Nature::Smooth | Nature::Other => None,
            _ => Some(Self::ChainRule),
        }
    }

    /// The gradients of the inputs, where the chain rule is replaced.
    pub(super) fn vjp<T: Real>(self, node: &Node<T>, upstream: &Tensor<T>, wanted: Wanted<'_>) -> Option<Grads<T>> {
        match self {
            Self::ChainRule | Self::Softmax => None,
            Self::Activation => {
                let factors = node.input(0).clone().zip(node.output(), activation(node)?);
                Some(Grads::one(upstream.clone().zip(&factors, |g, factor| g * factor)))
            }
            Self::Product => {
                let half = T::from_f64(0.5);
                Some(node.any_op().vjp(node, upstream.clone().map(|g| half * g), wanted))
            }
            Self::Gated { signal } => {
                let gradients = node.any_op().vjp(node, upstream.clone(), wanted).into_vec().into_iter().enumerate();
                let only_signal = |(input, g): (usize, Option<Tensor<T>>)| {
                    if input == signal { g } else { g.map(|g| Tensor::zeros(g.shape())) }
                };
                Some(Grads::new(gradients.map(only_signal).collect::<Vec<_>>()))
            }
            Self::Normalization => {
                let (gamma, upstream) = (node.input(1).as_slice(), upstream.clone());
                let gradient = match node.op::<LayerNormalization<T>>() {
                    Some(op) => normalization(op, gamma, upstream),
                    None => group_normalization(node.op()?, gamma, upstream),
                };
                Some(Grads::new([Some(gradient), None, None]))
            }
        }
    }
}

/// The gradient of the input of a layer norm whose deviation is constant: r·(γg − mean(γg)) in each row.
fn normalization<T: Real>(op: &LayerNormalization<T>, gamma: &[T], mut gradient: Tensor<T>) -> Tensor<T> {
    let count = T::from_f64(gamma.len() as f64);
    for (row, &r) in gradient.make_mut().chunks_exact_mut(gamma.len()).zip(op.inverse_deviations()) {
        row.iter_mut().zip(gamma).for_each(|(g, &gamma)| *g *= gamma);
        let mean = tensor::pairwise_sum(row) / count;
        row.iter_mut().for_each(|g| *g = r * (*g - mean));
    }
    gradient
}

/// The same of a group norm, whose mean is over a group's channels at all positions of an image.
fn group_normalization<T: Real>(op: &GroupNormalization<T>, gamma: &[T], mut gradient: Tensor<T>) -> Tensor<T> {
    let (channels, each) = (gamma.len(), gamma.len() / op.groups());
    let image = (gradient.len() / gradient.shape()[0].max(1)).max(1);
    let images = gradient.make_mut().chunks_exact_mut(image).zip(op.inverse_deviations().chunks_exact(channels));
    for (values, r) in images {
        for group in (0..channels).step_by(each).map(|first| first..first + each) {
            let weighted = values.chunks_exact(channels).flat_map(|pixel| group.clone().map(|c| gamma[c] * pixel[c]));
            let weighted: Vec<T> = weighted.collect();
            let mean = tensor::pairwise_sum(&weighted) / T::from_f64(weighted.len() as f64);
            for pixel in values.chunks_exact_mut(channels) {
                group.clone().for_each(|c| pixel[c] = r[c] * (gamma[c] * pixel[c] - mean));
            }
        }
    }
    gradient
}

/// The factor y/x, as a function of x and y, of an activation that isn't proportional to its input on either side of
/// zero. This factor conserves relevance, x·gₓ = y·g_y (Ancona, Ceolini, Öztireli and Gross, *Towards Better
/// Understanding of Gradient-Based Attribution Methods for Deep Neural Networks*, 2018; in AttnLRP, the identity rule).
fn activation<T: Real>(node: &Node<T>) -> Option<impl Fn(T, T) -> T + use<T>> {
    let is_gated = node.op::<Gelu>().is_some() || node.op::<Silu>().is_some() || node.op::<HardSwish>().is_some();
    let slope_at_zero = match node.any_op().nature() {
        nature if nature.is_homogeneous() => return None,
        Nature::Rectifier { min, max } if min < 0.0 && max > 0.0 => T::one(),
        Nature::Rectifier { .. } => T::zero(),
        _ if is_gated => T::from_f64(0.5),
        _ => node.op::<Tanh>().map(|_| T::one())?,
    };
    Some(move |x: T, y: T| if x.is_zero() { slope_at_zero } else { y / x })
}
