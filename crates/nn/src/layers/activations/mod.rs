//! Activations: functions of one value, and those of a position's channels.

mod clip;
mod elementary;
mod elu;
mod erf;
mod gelu;
mod hard_sigmoid;
mod hard_swish;
mod leaky_relu;
#[cfg(feature = "onnx")]
mod onnx;
mod power;
mod prelu;
pub(crate) mod relu;
mod sigmoid;
mod silu;
pub(crate) mod softmax;
mod softplus;
mod step;
mod tanh;

pub use clip::Clip;
pub use elementary::{Abs, Exp, Log};
pub use elu::Elu;
pub use erf::Erf;
pub use gelu::Gelu;
pub use hard_sigmoid::HardSigmoid;
pub use hard_swish::HardSwish;
pub use leaky_relu::LeakyRelu;
pub use power::Power;
pub use prelu::PRelu;
pub use relu::Relu;
pub use sigmoid::Sigmoid;
pub use silu::Silu;
pub use softmax::Softmax;
pub use softplus::Softplus;
pub use step::Step;
pub use tanh::Tanh;
