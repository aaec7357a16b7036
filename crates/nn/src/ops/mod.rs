//! The operations of a convolutional network, one file each: shapes, formula and derivation, the forward pass, the
//! vector–Jacobian product, and their tests.
//!
//! Each is a function of [`Var`]s; [`NetworkOps`] offers them as methods. Recorded operations are recognised by their
//! types (`node.op::<Relu>()`).

mod avg_pool;
mod batch_norm;
mod channel_max;
mod clip;
mod conv2d;
mod conv_transpose2d;
mod cross_entropy;
mod dropout;
mod elu;
mod erf;
mod gelu;
mod global_avg_pool;
mod group_norm;
mod layer_norm;
mod leaky_relu;
mod linear;
mod log_softmax;
mod max_pool;
mod power;
mod prelu;
mod relu;
mod resize;
mod sigmoid;
mod silu;
mod soft_cross_entropy;
mod softmax;
mod softplus;
#[cfg(test)]
pub(crate) mod testing;

use tensor::Var;

pub use avg_pool::{AvgPool, avg_pool};
pub use batch_norm::{
    BatchNormEvaluation, BatchNormRelu, BatchNormTraining, ChannelStatistics, batch_norm_evaluation, batch_norm_relu,
    batch_norm_training,
};
pub use channel_max::{ChannelMax, channel_max};
pub use clip::{Clip, clip};
pub use conv_transpose2d::conv_transpose2d;
pub use conv2d::{Conv2dRelu, conv2d, conv2d_relu};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use dropout::{Dropout, dropout};
pub use elu::{Elu, elu};
pub use erf::{Erf, erf};
pub use gelu::{Gelu, gelu};
pub use global_avg_pool::{GlobalAvgPool, global_avg_pool};
pub use group_norm::{GroupNorm, group_norm};
pub use layer_norm::{LayerNorm, layer_norm};
pub use leaky_relu::{LeakyRelu, leaky_relu};
pub use linear::{Linear, linear};
pub use log_softmax::{LogSoftmax, log_softmax};
pub use max_pool::{MaxPool, max_pool};
pub use power::{Power, power};
pub use prelu::{PRelu, prelu};
pub use relu::{Relu, relu};
pub(crate) use resize::gather;
pub use resize::{Interpolation, Resize, Tap, resize};
pub use sigmoid::{Sigmoid, sigmoid};
pub use silu::{Silu, silu};
pub use soft_cross_entropy::{SoftCrossEntropy, soft_cross_entropy};
pub use softmax::{Softmax, softmax};
pub use softplus::{Softplus, softplus};

use crate::geometry::Conv2d;
use crate::pool2d::Pool2d;
use crate::real::Real;

/// The operations of a convolutional network as methods of [`Var`]. Activations are `[N, H, W, C]`.
pub trait NetworkOps<T: Real>: Sized {
    /// Convolution without a bias; see [`conv2d`].
    #[must_use]
    fn conv2d(&self, w: &Var<T>, conv: Conv2d) -> Var<T>;
    /// Convolution with a bias; see [`conv2d`].
    #[must_use]
    fn conv2d_with_bias(&self, w: &Var<T>, bias: &Var<T>, conv: Conv2d) -> Var<T>;
    /// max(x, 0); see [`relu`].
    #[must_use]
    fn relu(&self) -> Var<T>;
    /// min(max(x, 0), 6); see [`clip`].
    #[must_use]
    fn relu6(&self) -> Var<T>;
    /// min(max(x, min), max); see [`clip`].
    #[must_use]
    fn clip(&self, interval: Clip) -> Var<T>;
    /// x where x > 0 and `slope`·x elsewhere; see [`leaky_relu`].
    #[must_use]
    fn leaky_relu(&self, slope: f64) -> Var<T>;
    /// 1/(1 + e⁻ˣ); see [`sigmoid`].
    #[must_use]
    fn sigmoid(&self) -> Var<T>;
    /// x/(1 + e⁻ˣ); see [`silu`].
    #[must_use]
    fn silu(&self) -> Var<T>;
    /// x where x > 0 and `alpha`·(eˣ − 1) elsewhere; see [`elu`].
    #[must_use]
    fn elu(&self, alpha: f64) -> Var<T>;
    /// x·Φ(x); see [`gelu`].
    #[must_use]
    fn gelu(&self, gelu: Gelu) -> Var<T>;
    /// ln(1 + eˣ); see [`softplus`].
    #[must_use]
    fn softplus(&self) -> Var<T>;
    /// The largest value in each window; see [`max_pool`].
    #[must_use]
    fn max_pool(&self, pool: Pool2d) -> Var<T>;
    /// The mean of each window, padding counted as zeros or not at all; see [`avg_pool`].
    #[must_use]
    fn avg_pool(&self, pool: Pool2d, count_padding: bool) -> Var<T>;
    /// The mean over all positions: `[N, H, W, C]` → `[N, C]`; see [`global_avg_pool`].
    #[must_use]
    fn global_avg_pool(&self) -> Var<T>;
    /// Each image as a row: `[N, H, W, C]` → `[N, H·W·C]`.
    #[must_use]
    fn flatten(&self) -> Var<T>;
    /// Resized to `[Ho, Wo]`; see [`resize`].
    #[must_use]
    fn resize(&self, size: [usize; 2], interpolation: Interpolation) -> Var<T>;
    /// exp(xₖ) / Σⱼ exp(xⱼ) over the last dimension; see [`softmax`].
    #[must_use]
    fn softmax(&self) -> Var<T>;
    /// The logarithm of the softmax; see [`log_softmax`].
    #[must_use]
    fn log_softmax(&self) -> Var<T>;
    /// The mean cross-entropy against one class per row, without smoothing; see [`cross_entropy`].
    #[must_use]
    fn cross_entropy(&self, targets: &[usize]) -> Var<T>;
    /// Fully connected: x·w + b; see [`linear`].
    #[must_use]
    fn linear(&self, w: &Var<T>, bias: &Var<T>) -> Var<T>;
}

impl<T: Real> NetworkOps<T> for Var<T> {
    fn conv2d(&self, w: &Self, conv: Conv2d) -> Self {
        conv2d(self, w, None, conv)
    }

    fn conv2d_with_bias(&self, w: &Self, bias: &Self, conv: Conv2d) -> Self {
        conv2d(self, w, Some(bias), conv)
    }

    fn relu(&self) -> Self {
        relu(self.clone())
    }

    fn relu6(&self) -> Self {
        clip(self.clone(), Clip::RELU6)
    }

    fn clip(&self, interval: Clip) -> Self {
        clip(self.clone(), interval)
    }

    fn leaky_relu(&self, slope: f64) -> Self {
        leaky_relu(self.clone(), slope)
    }

    fn sigmoid(&self) -> Self {
        sigmoid(self.clone())
    }

    fn silu(&self) -> Self {
        silu(self)
    }

    fn elu(&self, alpha: f64) -> Self {
        elu(self.clone(), alpha)
    }

    fn gelu(&self, form: Gelu) -> Self {
        gelu(self, form)
    }

    fn softplus(&self) -> Self {
        softplus(self.clone())
    }

    fn max_pool(&self, pool: Pool2d) -> Self {
        max_pool(self, pool)
    }

    fn avg_pool(&self, pool: Pool2d, count_padding: bool) -> Self {
        avg_pool(self, pool, count_padding)
    }

    fn global_avg_pool(&self) -> Self {
        global_avg_pool(self)
    }

    fn flatten(&self) -> Self {
        self.reshape([self.shape()[0], self.shape()[1..].iter().product()])
    }

    fn resize(&self, size: [usize; 2], interpolation: Interpolation) -> Self {
        resize(self, size, interpolation)
    }

    fn softmax(&self) -> Self {
        softmax(self.clone())
    }

    fn log_softmax(&self) -> Self {
        log_softmax(self)
    }

    fn cross_entropy(&self, targets: &[usize]) -> Self {
        cross_entropy(self, targets, 0.0)
    }

    fn linear(&self, w: &Self, bias: &Self) -> Self {
        linear(self, w, Some(bias))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::random;
    use super::*;
    use tensor::{Exact, Tape, Tensor};

    /// Every operation that works in blocks, one after the other: the output, and the gradients for x, w, γ, β.
    fn chain(x: &Tensor<f32>, training: bool) -> Vec<Tensor<f32>> {
        let tape = Tape::new();
        let leaf = |value: Tensor<f64>| tape.leaf(value.cast());
        let vars = [tape.leaf(x.clone()), leaf(random([3, 3, 4, 6], 2)), leaf(random([6], 3)), leaf(random([6], 4))];
        let [x, w, gamma, beta] = &vars;
        let y = x.conv2d(w, Conv2d::same());
        let y = if training {
            dropout(batch_norm_training(&y, gamma, beta, 1e-5).0, 0.3, 9)
        } else {
            batch_norm_evaluation(&y, gamma, beta, &ChannelStatistics::standard(6), 1e-5)
        };
        let y = y.silu().max_pool(Pool2d::square(3).stride(1).padding(1)).sigmoid();
        let y = y.avg_pool(Pool2d::square(2), true).resize([37, 41], Interpolation::Bilinear { align_corners: false });
        let y = y.leaky_relu(0.1).global_avg_pool().log_softmax();
        let gradients = tape.backward(&y.mul(&y), &Exact, &vars).unwrap();
        std::iter::once(y.value().clone()).chain(vars.iter().map(|var| gradients[var].clone())).collect()
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let x = random([3, 48, 44, 4], 1).cast();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| chain(&x, true))
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn an_image_does_not_depend_on_its_batch() {
        let x = random([3, 48, 44, 4], 1).cast();
        let image = 48 * 44 * 4;
        let last = Tensor::new([1, 48, 44, 4], x.as_slice()[2 * image..].to_vec());
        let (batch, alone) = (chain(&x, false), chain(&last, false));
        assert_eq!(batch[0].as_slice()[12..], *alone[0].as_slice());
        assert_eq!(batch[1].as_slice()[2 * image..], *alone[1].as_slice());
    }
}
