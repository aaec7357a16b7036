//! Elementary functions, a vector at a time.
//!
//! Each is one generic body without a branch over the lanes. NaN stays NaN, infinities give the limit, and results are
//! subnormal where they should be.
//!
//! # Errors
//! No error of a result, in units of its last place (ulps), was larger than this among every 4099th number of single precision,
//! which a test looks at. The portable tier rounds twice in [`Simd::fma`](super::Simd::fma).
//!
//! | function | portable | others |
//! |---|---|---|
//! | `exp` | 0.9 | 0.9 |
//! | `logistic` | 1.7 | 1.5 |
//! | `logistic_slope` | 1.5 | 1.5 |
//! | `silu` | 2.0 | 2.0 |
//! | `silu_slope` | 2.0 | 2.0 |
//! | `tanh` | 1.3 | 1.3 |
//! | `tanh_slope` | 1.6 | 1.6 |
//! | `erf` | 1.3 | 1.1 |
//! | `erf_slope` | 1.2 | 1.0 |
//! | `gelu` | 2.0 | 1.7 |
//! | `gelu_slope` | 2.2 | 2.0 |
//! | `gelu_tanh` | 2.0 | 2.0 |
//! | `gelu_tanh_slope` | 4.0 | 4.0 |
//! | `exp_m1` | 1.6 | 1.5 |
//! | `softplus` | 2.2 | 1.9 |
//! | `softplus_slope` | 1.6 | 1.5 |
//!
//! The slopes of SiLU and of both kinds of GELU have a zero, and are there the difference of two terms: their unit is an ulp of
//! the sum of the magnitudes. The slopes of σ, tanh and softplus are functions of the output, as reverse mode has them.

mod erf;
mod exp;
mod exp_m1;
mod gelu;
mod gelu_tanh;
mod logistic;
mod normal;
mod polynomial;
mod silu;
mod softplus;
mod tanh;
#[cfg(test)]
mod tests;

pub use erf::{erf, erf_slope};
pub use exp::exp;
pub use exp_m1::exp_m1;
pub use gelu::{gelu, gelu_slope};
pub use gelu_tanh::{gelu_tanh, gelu_tanh_slope};
pub use logistic::{logistic, logistic_slope};
pub use silu::{silu, silu_slope};
pub use softplus::{softplus, softplus_slope};
pub use tanh::{tanh, tanh_slope};
